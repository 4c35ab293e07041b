"""The commands `keras-sharpness warm-start`, `grow` and `remedies`."""

import pathlib
from collections.abc import Callable
from typing import Any

import click

from keras_sharpness.cli.errors import one_line_errors
from keras_sharpness.cli.options import shared_options
from keras_sharpness.cli.studies import (
    run_study,
    shared_arguments,
    study_options,
    whole_numbers,
)


@click.command(
    name="warm-start",
    epilog="Example: keras-sharpness warm-start --network s1 --small-epochs "
    "0,1,3,10",
)
@click.option("--small-batch", type=int, default=16, show_default=True)
@click.option("--large-batch", type=int, default=2000, show_default=True)
@click.option(
    "--small-epochs",
    default="0,1,3,10",
    show_default=True,
    help="Epochs of the small batch before the large one, with commas.",
)
@study_options
@shared_options
def warm_start(**values: Any) -> None:
    """Large batches started after some epochs of small ones.

    How many epochs of the small batch does it take until the large one ends in
    a flat minimum? The same command again continues what was interrupted and
    reads what is finished.
    """
    with one_line_errors():
        _run(make_warm_start, values)


@click.command(
    epilog="Example: keras-sharpness grow --network s1 --milestones "
    "4:64,8:256,16:1024,56:4000"
)
@click.option("--small-batch", type=int, default=16, show_default=True)
@click.option("--large-batch", type=int, default=4000, show_default=True)
@click.option(
    "--milestones",
    default="4:64,8:256,16:1024,56:4000",
    show_default=True,
    help="EPOCH:SIZE with commas: the batch that grows from the small one at "
    "given epochs.",
)
@click.option(
    "--factor",
    type=float,
    help="A batch that grows by this factor, too, every --every epochs.",
)
@click.option("--every", type=int, default=5, show_default=True)
@click.option(
    "--theta",
    type=float,
    help="A batch that grows by the variance of the gradient, too (norm test).",
)
@click.option(
    "--by-curvature",
    is_flag=True,
    help="A batch that grows where the curvature falls, too (ABSA).",
)
@study_options
@shared_options
def grow(**values: Any) -> None:
    """Batches that grow, beside the small and the large batch.

    Does a growing batch end as flat as the small one, with fewer updates? The
    same command again continues what was interrupted and reads what is
    finished.
    """
    with one_line_errors():
        _run(make_grow, values)


@click.command(
    epilog="Example: keras-sharpness remedies --network s1 --remedy sam "
    "--remedy asam"
)
@click.option(
    "--batch-sizes",
    default="128,2000",
    show_default=True,
    help="With commas.",
)
@click.option(
    "--remedy",
    "chosen",
    multiple=True,
    default=("sam", "asam", "conservative", "adversarial", "augmentation"),
    show_default=True,
    help="sam, asam, conservative (with its control of equal steps), "
    "adversarial, stability or augmentation; NAME=NUMBER sets ρ, λ, ε or α. "
    "May be repeated.",
)
@study_options
@shared_options
def remedies(**values: Any) -> None:
    """What helps against sharp minima, for a small and a large batch.

    Each remedy is compared with the plain training of its batch size, seed by
    seed. The same command again continues what was interrupted and reads what
    is finished.
    """
    with one_line_errors():
        _run(make_remedies, values)


def make_warm_start(values: dict[str, Any], out: pathlib.Path | None) -> Any:
    """The study that the command's values describe, not run yet.

    Args:
        values: Dict of the command's values.
        out: Path of its folder, or None for one below `runs`.

    Returns:
        A `GroupStudy`.
    """
    from keras_sharpness.studies.warm_start import warm_start_study

    shared, values = shared_arguments("warm-start", values, out)
    return warm_start_study(
        small_batch=values["small_batch"],
        large_batch=values["large_batch"],
        small_epochs=whole_numbers("small-epochs", values["small_epochs"]),
        **shared,
    )


def make_grow(values: dict[str, Any], out: pathlib.Path | None) -> Any:
    """The study that the command's values describe, not run yet.

    Args:
        values: Dict of the command's values.
        out: Path of its folder, or None for one below `runs`.

    Returns:
        A `GroupStudy`.
    """
    from keras_sharpness import training
    from keras_sharpness.studies.growing_batch import growing_batch_study

    shared, values = shared_arguments("grow", values, out)
    small, large = values["small_batch"], values["large_batch"]
    schedules = {f"batch {small}": small, f"batch {large}": large}
    milestones = _milestones(values["milestones"])
    if milestones:
        schedules["grown at epochs"] = training.GrowAt(
            milestones, initial=small
        )
    growing = {"initial": small, "most": large}
    if values["factor"] is not None:
        schedules[f"grown by {values['factor']:g}"] = training.GrowEvery(
            factor=values["factor"], epochs=values["every"], **growing
        )
    if values["theta"] is not None:
        schedules["grown by variance"] = training.GrowByVariance(
            theta=values["theta"], **growing
        )
    if values["by_curvature"]:
        schedules["grown by curvature"] = training.GrowByCurvature(**growing)
    return growing_batch_study(schedules=schedules, **shared)


def make_remedies(values: dict[str, Any], out: pathlib.Path | None) -> Any:
    """The study that the command's values describe, not run yet.

    Args:
        values: Dict of the command's values.
        out: Path of its folder, or None for one below `runs`.

    Returns:
        A `GroupStudy`.
    """
    from keras_sharpness.studies.remedies import remedies_study

    shared, values = shared_arguments("remedies", values, out)
    found: dict[str, dict[str, Any]] = {}
    for text in values["chosen"]:
        found |= _remedy(text)
    return remedies_study(
        batch_sizes=whole_numbers("batch-sizes", values["batch_sizes"]),
        remedies=found,
        **shared,
    )


def _remedy(text: str) -> dict[str, dict[str, Any]]:
    """The trainings that a remedy on the command line stands for."""
    import keras

    from keras_sharpness import training

    name, _, number = text.partition("=")
    usual = {
        "sam": 0.05,
        "asam": 0.5,
        "conservative": 1e-3,
        "adversarial": 0.05,
        "stability": 0.01,
        "augmentation": 0.1,
    }
    if name not in usual:
        raise ValueError(
            f"`--remedy` must be one of {', '.join(usual)}, with =NUMBER or "
            f"without. Received: {text}. Pass e.g. `--remedy sam=0.05`."
        )
    try:
        value = float(number) if number else usual[name]
    except ValueError as error:
        raise ValueError(
            f"`--remedy` must be NAME=NUMBER. Received: {text}. Pass e.g. "
            "`--remedy sam=0.05`."
        ) from error
    if name == "conservative":
        return {
            f"conservative λ = {value:g}": {
                "method": training.Conservative(proximal=value)
            },
            "as many steps, λ = 0": {
                "method": training.Conservative(proximal=0.0)
            },
        }
    if name == "augmentation":
        layers = [
            keras.layers.RandomTranslation(value, value, fill_mode="constant"),
            keras.layers.RandomRotation(10 / 360, fill_mode="constant"),
        ]
        return {f"shifts and turns, {value:g}": {"augmentation": layers}}
    methods: dict[str, tuple[str, Callable[[], Any]]] = {
        "sam": ("SAM ρ =", lambda: training.SharpnessAware(rho=value)),
        "asam": (
            "ASAM ρ =",
            lambda: training.SharpnessAware(rho=value, adaptive=True),
        ),
        "adversarial": (
            "FGSM ε =",
            lambda: training.Adversarial(epsilon=value),
        ),
        "stability": (
            "stability α =",
            lambda: training.Stability(weight=value),
        ),
    }
    label, make = methods[name]
    return {f"{label} {value:g}": {"method": make()}}


def _milestones(text: str) -> dict[int, int]:
    try:
        pairs = [part.split(":") for part in text.split(",") if part.strip()]
        return {int(epoch): int(size) for epoch, size in pairs}
    except ValueError as error:
        raise ValueError(
            "`--milestones` must be EPOCH:SIZE with commas between them. "
            f"Received: {text}. Pass e.g. `--milestones 4:64,8:256`."
        ) from error


def _run(make: Callable[..., Any], values: dict[str, Any]) -> None:
    run_study(
        values,
        make,
        lambda study: study.comparison(),
        tables="differences.csv, table.md, table.tex",
        groups_are_rows=True,
    )
