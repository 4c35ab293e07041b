"""Options that several commands share."""

import ast
import pathlib
from collections.abc import Callable

import click

_SHARED = [
    click.option(
        "--dataset",
        default="mnist_5k",
        show_default=True,
        metavar="NAME|FILE.npz",
        help="A TensorFlow Datasets name, or arrays x_train, y_train, x_test, "
        "y_test: pixels (uint8), floats or whole numbers of words; labels from "
        "0, or other targets. mnist_5k (digits) and patches (colour) ship with "
        "the package.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=pathlib.Path),
        help="Where TensorFlow Datasets keeps its data.",
    ),
    click.option(
        "--epsilon",
        "epsilons",
        type=float,
        multiple=True,
        default=(1e-3, 5e-4),
        show_default=True,
        help="Size of the box of the ε-sharpness; may be repeated.",
    ),
    click.option(
        "--subspace-dim",
        type=int,
        default=100,
        show_default=True,
        help="Dimension of the random subspace; 0 leaves it out.",
    ),
    click.option(
        "--maximizer",
        type=click.Choice(["auto", "l-bfgs-b", "frank-wolfe", "best"]),
        help="Who searches the box. l-bfgs-b is the paper's and slower for "
        "large networks; auto takes it in the subspace and frank-wolfe in the "
        "full space; best runs both, and more  [default: auto].",
    ),
    click.option(
        "--num-starts",
        type=int,
        help="Points from which the box is searched; the paper has one  "
        "[default: 3].",
    ),
    click.option(
        "--eigenvalues",
        "num_eigenvalues",
        type=int,
        default=2,
        show_default=True,
        help="How many of the largest Hessian eigenvalues; 0 for none.",
    ),
    click.option(
        "--measure",
        "measures",
        multiple=True,
        metavar="NAME[:SETTING=VALUE]",
        help="A further metric, e.g. hessian_trace or "
        "hessian_trace:num_probes=50; may be repeated.",
    ),
    click.option(
        "--batch-norm",
        type=click.Choice(["inference", "batch", "recalibrate"]),
        default="inference",
        show_default=True,
        help="What BatchNormalization does while a model is measured: moving "
        "statistics, each batch's own (as the paper), or moving statistics "
        "re-estimated at every point.",
    ),
    click.option(
        "--measure-batch-size",
        type=int,
        help="Samples evaluated at once while measuring  [default: 500].",
    ),
    click.option(
        "--samples",
        "num_samples",
        type=int,
        help="Measure on the first so many training samples  [default: all].",
    ),
    click.option("--quiet", is_flag=True, help="Show no progress."),
]


def shared_options(command: Callable) -> Callable:
    """Adds the options of data and measurements to a command."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def make_plan(values: dict) -> tuple[dict, object]:
    """Splits a command's values into its own and a `MeasurementPlan`.

    Args:
        values: Dict of all values that click parsed.

    Returns:
        The remaining values, and the plan.
    """
    from keras_sharpness.studies import MeasurementPlan

    names = ("epsilons", "num_eigenvalues", "batch_norm")
    given = {name: values.pop(name) for name in names}
    # The plan's own defaults, which are those of `epsilon_sharpness`.
    for name in ("maximizer", "num_starts"):
        value = values.pop(name)
        if value is not None:
            given[name] = value
    plan = MeasurementPlan(
        **given,
        subspace_dim=values.pop("subspace_dim") or None,
        batch_size=values.pop("measure_batch_size"),
        num_samples=values.pop("num_samples"),
        measures=dict(map(_measure, values.pop("measures"))),
    )
    return values, plan


def _measure(text: str) -> tuple[str, dict]:
    """The name and the settings of a metric, from `name:a=1,b=2`."""
    name, _, settings = text.partition(":")
    found = {}
    for part in filter(None, settings.split(",")):
        setting, _, value = part.partition("=")
        try:
            found[setting] = ast.literal_eval(value)
        except (SyntaxError, ValueError) as error:
            raise ValueError(
                "`--measure` must be NAME or NAME:SETTING=NUMBER. Received: "
                f"{text}. Pass e.g. `--measure hessian_trace:num_probes=50`."
            ) from error
    return name, found
