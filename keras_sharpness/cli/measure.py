"""The command `keras-sharpness measure`."""

import json
import pathlib
import sys
from typing import Any

import click

from keras_sharpness.cli.errors import one_line_errors
from keras_sharpness.cli.options import make_plan, shared_options


@click.command(
    epilog="Example: keras-sharpness measure model.keras --dataset mnist_5k"
)
@click.argument(
    "model_file",
    metavar="MODEL.keras",
    type=click.Path(path_type=pathlib.Path),
)
@click.option(
    "--loss",
    help="A Keras loss  [default: the one the model was compiled with].",
)
@click.option(
    "--from-logits",
    is_flag=True,
    help="With --loss, for a cross-entropy: the model returns logits.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=pathlib.Path),
    help="Write all results with their settings to this file.",
)
@shared_options
def measure(**values: Any) -> None:
    """Measure one saved model: accuracy, ε-sharpness, Hessian eigenvalues.

    The model is any that Keras saved with `model.save("name.keras")` and whose
    layers Keras or this package knows.
    """
    with one_line_errors():
        _measure(values)


def _measure(values: dict[str, Any]) -> None:
    import rich.console

    from keras_sharpness import data, files, saving, studies

    values, plan = make_plan(values)
    path, json_file = values["model_file"], values["json_file"]
    description = saving.inspect_model(path)
    if json_file is not None:
        files.check_file(json_file, "--json")
    dataset = data.load(values["dataset"], data_dir=values["data_dir"])
    mismatch = saving.data_mismatch(
        description, dataset.x_train.shape, x_values=dataset.x_train
    )
    if mismatch:
        raise ValueError(mismatch)
    loss = _loss(values["loss"], values["from_logits"])
    model = saving.load_model(path, compile=loss is None)
    found = {}
    try:
        target = studies.Target(model, dataset, plan, loss=loss)
        names = plan.names()
        with studies.StudyProgress(
            len(names), show=not values["quiet"]
        ) as bars:
            for name in names:
                with bars.step(name) as report:
                    found[name] = plan.run(name, target, report)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; nothing was written.", err=True)
        sys.exit(130)
    rich.console.Console().print(_table(path, dataset, plan, found))
    if json_file is not None:
        content = {name: result.to_dict() for name, result in found.items()}
        files.write_atomically(
            json_file, json.dumps(content, indent=1).encode()
        )
        click.echo(f"Results: {json_file}")


def _loss(name: str | None, from_logits: bool) -> Any:
    import keras

    from keras_sharpness.targets import keras_loss

    if name is None:
        if from_logits:
            raise ValueError(
                "`--from-logits` goes with `--loss`. Pass e.g. "
                "`--loss SparseCategoricalCrossentropy --from-logits`."
            )
        return None
    if not from_logits:
        return keras_loss(name)
    camel = "".join(part.capitalize() for part in name.split("_"))
    kind = getattr(keras.losses, name, None)
    kind = (
        kind if isinstance(kind, type) else getattr(keras.losses, camel, None)
    )
    if kind is None:
        raise ValueError(
            f"Keras has no loss {name!r}. `--from-logits` goes with "
            "SparseCategoricalCrossentropy, CategoricalCrossentropy and "
            "BinaryCrossentropy."
        )
    return kind(from_logits=True)


def _table(
    path: pathlib.Path, dataset: Any, plan: Any, found: dict[str, Any]
) -> Any:
    import rich.table

    objective = found["evaluation"].objective
    table = rich.table.Table(
        title=f"{path.name} on {dataset.name}: {objective['num_weights']:,} "
        f"weights, {objective['num_samples']:,} samples, batch norm "
        f"{objective['batch_norm']}",
        title_justify="left",
    )
    for column in ("", "value", "how far to trust it", "cost"):
        table.add_column(column, justify="right" if column == "value" else None)
    for line in _lines(plan, found):
        table.add_row(line.label, line.value, line.trust, line.cost)
    return table


def _lines(plan: Any, found: dict[str, Any]) -> list[Any]:
    from keras_sharpness.studies.metrics import Line

    lines = []
    evaluation = found["evaluation"]
    for split in ("train", "test"):
        loss = getattr(evaluation, f"{split}_loss")
        lines.append(Line(f"{split} loss", f"{loss:.6g}"))
        accuracy = getattr(evaluation, f"{split}_accuracy")
        if accuracy is not None:
            label = f"{split} accuracy (%)"
            lines.append(Line(label, f"{100 * accuracy:.2f}"))
    for name, result in found.items():
        if name != "evaluation":
            lines += plan.lines(name, result)
    return lines
