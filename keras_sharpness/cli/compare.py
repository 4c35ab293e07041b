"""The command `keras-sharpness compare`."""

import functools
import pathlib
import sys
from typing import Any

import click

from keras_sharpness.cli.errors import one_line_errors
from keras_sharpness.cli.networks import check_classes
from keras_sharpness.cli.options import make_plan, shared_options


@click.command(epilog="Example: keras-sharpness compare --network f1 --seeds 1")
@click.option(
    "--network",
    default="f1",
    show_default=True,
    metavar="NAME",
    help="Network of Keskar et al.: f1, f2, c1, c2, c3 or c4; s1 is small.",
)
@click.option(
    "--small-batch", type=int, default=32, show_default=True, help="Samples."
)
@click.option(
    "--large-batch",
    type=int,
    help="Samples  [default: a tenth of the training set, as the paper].",
)
@click.option(
    "--seeds",
    type=int,
    default=3,
    show_default=True,
    help="How many pairs to train, each from another start.",
)
@click.option(
    "--epochs",
    type=int,
    default=20,
    show_default=True,
    help="At the most, for either batch size.",
)
@click.option(
    "--patience",
    type=int,
    help="Stop when the training loss has not improved for so many epochs "
    "[default: train all epochs].",
)
@click.option(
    "--optimizer",
    default="adam",
    show_default=True,
    help="A Keras optimizer with its default settings.",
)
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Folder of the study  [default: runs/NETWORK-DATASET-SMALL-LARGE].",
)
@shared_options
def compare(**values: Any) -> None:
    """Train with small and with large batches and compare the minima.

    For each seed both trainings start from the same weights. Prints the table
    of Keskar et al. (2017) and writes report.html and table.csv. The same
    command again continues what was interrupted and reads what is finished.
    """
    with one_line_errors():
        _compare(values)


def _compare(values: dict[str, Any]) -> None:
    import rich.console

    from keras_sharpness import data, models, studies

    values, plan = make_plan(values)
    network = models.get(values["network"])
    dataset = data.load(values["dataset"], data_dir=values["data_dir"])
    check_classes(dataset, values["network"])
    small = values["small_batch"]
    large = values["large_batch"]
    if large is None:
        large = len(dataset.x_train) // 10
    name = values["network"].lower()
    out = values["out"] or pathlib.Path(
        "runs", f"{name}-{dataset.name}-{small}-{large}"
    )
    try:
        comparison = studies.compare(
            functools.partial(
                network,
                num_classes=dataset.num_classes,
                input_shape=dataset.input_shape,
            ),
            dataset,
            small_batch=small,
            large_batch=large,
            seeds=values["seeds"],
            epochs=values["epochs"],
            patience=values["patience"],
            optimizer=values["optimizer"],
            plan=plan,
            out=out,
            name=name,
            progress=not values["quiet"],
        )
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted. What is finished is in {out}; the same command "
            "goes on from there.",
            err=True,
        )
        sys.exit(130)
    console = rich.console.Console()
    console.print(_table(comparison.summary(), comparison))
    for sentence in comparison.verdict():
        console.print(sentence, highlight=False)
    console.print(
        f"\nReport:   {out / 'report.html'}\nTable:    {out / 'table.csv'}\n"
        f"Explorer: streamlit run explorer/app.py -- --runs {out.parent}",
        highlight=False,
        soft_wrap=True,
    )


def _table(summary: Any, comparison: Any) -> Any:
    import rich.table

    settings = comparison.settings
    seeds = len(settings["seeds"])
    spread = (
        f", mean ± standard deviation over {seeds} seeds; large / small with "
        "its 95 % confidence interval"
    )
    table = rich.table.Table(
        title=f"{settings['model']} on {settings['data']}"
        + (spread if seeds > 1 else ""),
        title_justify="left",
    )
    table.add_column("")
    for column in summary.columns:
        table.add_column(column, justify="right")
    for label, row in summary.iterrows():
        table.add_row(label, *row)
    return table
