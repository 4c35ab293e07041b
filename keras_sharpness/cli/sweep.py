"""The command `keras-sharpness sweep`."""

import pathlib
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
        run_study(
            values,
            make_study,
            _result,
            tables="table.md, table.tex",
            groups_are_rows=False,
        )


def make_study(values: dict[str, Any], out: pathlib.Path | None) -> Any:
    """The study that the command's values describe, not run yet.

    Args:
        values: Dict of the command's values.
        out: Path of its folder, or None for one below `runs`.

    Returns:
        A `Study`.
    """
    from keras_sharpness.studies.batch_size_sweep import sweep_study

    shared, values = shared_arguments("sweep", values, out)
    return sweep_study(
        batch_sizes=whole_numbers("batch-sizes", values["batch_sizes"]),
        **shared,
    )


def _result(study: Any) -> Any:
    from keras_sharpness.studies.batch_size_sweep import sweep_result

    return sweep_result(study)
