"""The command `keras-sharpness member`."""

import json
import pathlib

import click

from keras_sharpness.cli import group_studies, sweep
from keras_sharpness.cli.errors import one_line_errors
from keras_sharpness.cli.studies import interruptible, use_threads

_MAKERS = {
    "sweep": sweep.make_study,
    "warm-start": group_studies.make_warm_start,
    "grow": group_studies.make_grow,
    "remedies": group_studies.make_remedies,
}


@click.command(
    epilog="Example: keras-sharpness member runs/sweep-f1-mnist_5k 3"
)
@click.argument("study", type=click.Path(path_type=pathlib.Path))
@click.argument("member", metavar="K")
@click.option(
    "--threads",
    type=int,
    help="Threads that share the work; the same bits need the same number  "
    "[default: all cores].",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def member(
    study: pathlib.Path, member: str, threads: int | None, quiet: bool
) -> None:
    """Train and measure one member of a study: number K from 0, or its name.

    The study's folder is made by the study's own command with --prepare. Only
    the member's folder is written to, so that the tasks of a job array, on any
    machines that share the study's folder, run one member each. What is
    finished is not done again.
    """
    with one_line_errors():
        use_threads(threads)
        made = _study_of(study)
        with interruptible(study):
            made.run_member(
                int(member) if member.isdecimal() else member,
                progress=not quiet,
            )


def _study_of(folder: pathlib.Path):
    """The study in a folder, made again from its recipe."""
    file = folder / "recipe.json"
    if not file.is_file():
        raise ValueError(
            f"{folder} holds no recipe.json, so no command made it. Make the "
            "`Study` in Python as it was made, and call its `run_member`."
        )
    try:
        recipe = dict(json.loads(file.read_text())["recipe"])
        make = _MAKERS[recipe.pop("command")]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}). Repeat the "
            "command that made the study, with --prepare."
        ) from error
    return make(recipe, folder)
