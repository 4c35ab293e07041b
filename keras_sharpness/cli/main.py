"""The group of commands, and how their errors are shown."""

import os

import click

# Before TensorFlow is imported by a command: its start-up notices would bury
# what the command prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_sharpness.cli.compare import compare
from keras_sharpness.cli.group_studies import grow, remedies, warm_start
from keras_sharpness.cli.measure import measure
from keras_sharpness.cli.member import member
from keras_sharpness.cli.sweep import sweep
from keras_sharpness.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="keras-sharpness")
def main() -> None:
    """Sharpness, curvature and loss landscapes of Keras models."""


for command in (
    compare,
    measure,
    sweep,
    warm_start,
    grow,
    remedies,
    member,
):
    main.add_command(command)
