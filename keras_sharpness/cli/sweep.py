"""The command `keras-sharpness sweep`."""

import pathlib
from typing import Any

import click

from keras_sharpness.cli.errors import one_line_errors
from keras_sharpness.cli.options import make_plan, shared_options
from keras_sharpness.cli.studies import (
    builder_of,
    interruptible,
    recipe_of,
    run_options,
    study_options,
    training_of,
    use_threads,
)


@click.command(
    epilog="Example: keras-sharpness sweep --batch-sizes 16,128,2000 "
    "--workers 2"
)
@click.option(
    "--batch-sizes",
    default="16,128,2000",
    show_default=True,
    help="Samples per update, separated by commas.",
)
@study_options
@shared_options
def sweep(**values: Any) -> None:
    """Accuracy and sharpness against the batch size, and the threshold.

    For each seed all trainings start from the same weights and end at the same
    training loss. Prints the table and writes report.html, table.csv, table.md
    and table.tex. The same command again continues what was interrupted and
    reads what is finished; more sizes and seeds may be added.
    """
    with one_line_errors():
        _sweep(values)


def make_study(values: dict[str, Any], out: pathlib.Path | None) -> Any:
    """The study that the command's values describe, not run yet.

    Args:
        values: Dict of the command's values.
        out: Path of its folder, or None for one below `runs`.

    Returns:
        A `Study`.
    """
    from keras_sharpness import data
    from keras_sharpness.studies.batch_size_sweep import sweep_study

    recipe = recipe_of("sweep", values)
    values, plan = make_plan(dict(values))
    dataset = data.load(values["dataset"], data_dir=values["data_dir"])
    build, name = builder_of(values, dataset)
    return sweep_study(
        build,
        dataset,
        batch_sizes=_sizes(values["batch_sizes"]),
        seeds=values["seeds"],
        training=training_of(values),
        plan=plan,
        name=name,
        out=out or pathlib.Path("runs", f"sweep-{name}-{dataset.name}"),
        recipe=recipe,
    )


def _sweep(values: dict[str, Any]) -> None:
    import rich.console

    if values["workers"] == 1 and values["executor"] in (None, "here"):
        use_threads(values["threads"])
    study = make_study(values, values["out"])
    out = study.out
    if values["prepare"]:
        study.prepare()
        most = len(study.members) - 1
        click.echo(
            f"{out} is prepared. Run `keras-sharpness member {out} K` for K "
            f"from 0 to {most}, and then this command without --prepare."
        )
        return
    from keras_sharpness.studies.batch_size_sweep import sweep_result

    with interruptible(out):
        study.run(**run_options(values))
        found = sweep_result(study)
    console = rich.console.Console()
    console.print(_table(found))
    for sentence in found.summary():
        console.print(sentence, highlight=False)
    console.print(
        f"\nReport:   {out / 'report.html'}\nTables:   {out / 'table.csv'}, "
        "table.md, table.tex",
        highlight=False,
        soft_wrap=True,
    )


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(
            "`--batch-sizes` must be whole numbers with commas between them. "
            f"Received: {text}. Pass e.g. `--batch-sizes 16,128,2000`."
        ) from error


def _table(found: Any) -> Any:
    import rich.table

    settings = found.settings
    table = rich.table.Table(
        title=f"{settings['model']} on {settings['data']}, mean ± standard "
        f"deviation over {len(settings['seeds'])} seeds",
        title_justify="left",
    )
    texts = found.table()
    table.add_column("")
    for column in texts.columns:
        table.add_column(column, justify="right")
    for label, row in texts.iterrows():
        table.add_row(label, *row)
    return table
