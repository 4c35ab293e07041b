"""What the commands that run a study of many trainings share."""

import ast
import contextlib
import functools
import importlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from keras_sharpness.cli.networks import check_classes
from keras_sharpness.cli.options import make_plan

_SHARED = [
    click.option(
        "--network",
        default="s1",
        show_default=True,
        metavar="NAME",
        help="Network of Keskar et al.: f1, f2, c1, c2, c3 or c4; s1 is small.",
    ),
    click.option(
        "--build",
        metavar="MODULE:FUNCTION",
        help="A function of your own that returns a built and compiled model, "
        "in the place of --network.",
    ),
    click.option(
        "--seeds",
        type=int,
        default=3,
        show_default=True,
        help="How many starts.",
    ),
    click.option(
        "--epochs",
        type=int,
        default=2000,
        show_default=True,
        help="At the most.",
    ),
    click.option(
        "--stop-loss",
        type=float,
        default=0.01,
        show_default=True,
        help="Train until the loss of the whole training set is this low; 0 "
        "trains all epochs.",
    ),
    click.option(
        "--optimizer", default="sgd", show_default=True, help="A Keras one."
    ),
    click.option(
        "--learning-rate",
        type=float,
        help="[default: 0.02 for sgd, else Keras' own]",
    ),
    click.option(
        "--momentum",
        type=float,
        help="[default: 0.9 for sgd]",
    ),
    click.option(
        "--train",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help="Another argument of `ks.train`, e.g. --train patience=5; may be "
        "repeated.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=pathlib.Path),
        help="Folder of the study.",
    ),
    click.option(
        "--workers",
        type=int,
        default=1,
        show_default=True,
        help="Trainings at a time.",
    ),
    click.option(
        "--threads",
        type=int,
        help="Threads that share one training; the same bits need the same "
        "number  [default: the cores divided by the workers].",
    ),
    click.option(
        "--executor",
        type=click.Choice(["here", "process", "ray"]),
        help="Train in this process, in processes of their own, or as tasks "
        "of Ray  [default: here for one worker, else process].",
    ),
    click.option(
        "--ray-address",
        help="Of a running Ray, e.g. auto  [default: one is started here].",
    ),
    click.option(
        "--gpus",
        type=float,
        default=0.0,
        show_default=True,
        help="GPUs of each training, on Ray.",
    ),
    click.option(
        "--prepare",
        is_flag=True,
        help="Only make the folder, for `keras-sharpness member` to run the "
        "trainings on other machines.",
    ),
]
_RUN = ("workers", "threads", "executor", "ray_address", "gpus", "prepare")
_NOT_THE_STUDY = (*_RUN, "out", "quiet")


def study_options(command: Callable) -> Callable:
    """Adds the options of network, training and executor to a command."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def recipe_of(command: str, values: dict[str, Any]) -> dict[str, Any]:
    """What of a command's values makes the study, in JSON's types.

    Args:
        command: Str. The command's name.
        values: Dict of all values that click parsed.

    Returns:
        Dict.
    """
    kept = {k: v for k, v in values.items() if k not in _NOT_THE_STUDY}
    return {
        "command": command,
        **{
            name: str(value.resolve())
            if isinstance(value, pathlib.Path)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in kept.items()
        },
    }


def builder_of(values: dict[str, Any], dataset: Any) -> tuple[Callable, str]:
    """The function that builds the network, and what to call it.

    Args:
        values: Dict of the command's values.
        dataset: The data.

    Returns:
        Callable without arguments, and a name.
    """
    from keras_sharpness import models

    if values["build"]:
        return _imported(values["build"]), values["build"].replace(":", ".")
    network = models.get(values["network"])
    check_classes(dataset, values["network"])
    build = functools.partial(
        network,
        num_classes=dataset.num_classes,
        input_shape=dataset.input_shape,
    )
    return build, values["network"].lower()


def training_of(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `ks.train` that a command's values ask for.

    Args:
        values: Dict of the command's values.

    Returns:
        Dict.
    """
    training: dict[str, Any] = {
        "epochs": values["epochs"],
        "optimizer": _optimizer(values),
    }
    if values["stop_loss"]:
        training["stop_loss"] = values["stop_loss"]
    for option in values["options"]:
        name, is_given, text = option.partition("=")
        if not is_given:
            raise ValueError(
                f"`--train` must be NAME=VALUE. Received: {option}. Pass e.g. "
                "`--train patience=5`."
            )
        try:
            training[name.replace("-", "_")] = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            training[name.replace("-", "_")] = text
    return training


def use_threads(number: int | None) -> None:
    """Lets so many threads share the work; to be called first.

    Args:
        number: Int, or None for all cores.
    """
    if number is None:
        return
    # Read by other libraries when they are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(number)
    from keras_sharpness.training.backend.devices import set_num_threads

    set_num_threads(number)


def run_options(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Study.run` among a command's values.

    Args:
        values: Dict of the command's values.

    Returns:
        Dict.
    """
    names = [name for name in _RUN if name != "prepare"]
    return {
        **{name: values[name] for name in names},
        "progress": not values["quiet"],
    }


def shared_arguments(
    command: str, values: dict[str, Any], out: pathlib.Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of studies that their commands have in common.

    Args:
        command: Str. The command's name.
        values: Dict of the command's values.
        out: Path of the study's folder, or None for one below `runs`.

    Returns:
        Dict of arguments, and dict of the values that are left.
    """
    from keras_sharpness import data

    recipe = recipe_of(command, values)
    values, plan = make_plan(dict(values))
    dataset = data.load(values["dataset"], data_dir=values["data_dir"])
    build, name = builder_of(values, dataset)
    shared = {
        "build_model": build,
        "data": dataset,
        "seeds": values["seeds"],
        "training": training_of(values),
        "plan": plan,
        "name": name,
        "out": out or pathlib.Path("runs", f"{command}-{name}-{dataset.name}"),
        "recipe": recipe,
    }
    return shared, values


def whole_numbers(option: str, text: str) -> list[int]:
    """The numbers of an option that has several, with commas.

    Args:
        option: Str. Its name.
        text: Str. What was given.

    Returns:
        List of int.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(
            f"`--{option}` must be whole numbers with commas between them. "
            f"Received: {text}. Pass e.g. `--{option} 16,128`."
        ) from error


def run_study(
    values: dict[str, Any],
    make: Callable[[dict[str, Any], pathlib.Path | None], Any],
    result: Callable[[Any], Any],
    *,
    tables: str,
    groups_are_rows: bool,
) -> None:
    """Runs a command's study, or prepares it, and prints what it found.

    Args:
        values: Dict of the command's values.
        make: Function of the values and the folder that makes the `Study`.
        result: Function of the study that returns its result, and writes it.
        tables: Str. The names of the tables that were written.
        groups_are_rows: Bool. Whether the result's table has quantities as
            columns, which would not fit a terminal.
    """
    import rich.console

    if values["workers"] == 1 and values["executor"] in (None, "here"):
        use_threads(values["threads"])
    study = make(values, values["out"])
    out = study.out
    if values["prepare"]:
        study.prepare()
        most = len(study.members) - 1
        click.echo(
            f"{out} is prepared. Run `keras-sharpness member {out} K` for K "
            f"from 0 to {most}, and then this command without --prepare."
        )
        return
    with interruptible(out):
        study.run(**run_options(values))
        found = result(study)
    console = rich.console.Console()
    texts = found.table()
    console.print(_table(texts.T if groups_are_rows else texts, found.settings))
    for sentence in found.summary():
        console.print(sentence, highlight=False)
    console.print(
        f"\nReport:   {out / 'report.html'}\nTables:   "
        f"{out / 'table.csv'}, {tables}",
        highlight=False,
        soft_wrap=True,
    )


def _table(texts: Any, settings: dict[str, Any]) -> Any:
    import rich.table

    table = rich.table.Table(
        title=f"{settings['model']} on {settings['data']}, mean ± standard "
        f"deviation over {len(settings['seeds'])} seeds",
        title_justify="left",
    )
    table.add_column("")
    for column in texts.columns:
        table.add_column(column, justify="right")
    for label, row in texts.iterrows():
        table.add_row(label, *row)
    return table


@contextlib.contextmanager
def interruptible(out: pathlib.Path) -> Iterator[None]:
    """Says after Ctrl-C where what is finished is, and ends the command.

    Args:
        out: Path of the study's folder.

    Yields:
        None.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted. What is finished is in {out}; the same command "
            "goes on from there.",
            err=True,
        )
        sys.exit(130)


def _imported(place: str) -> Callable:
    module, is_given, name = place.partition(":")
    # As `python -m` does, and not the folder of the installed command.
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except (AttributeError, ImportError, ValueError) as error:
        raise ValueError(
            f"`--build` must be MODULE:FUNCTION that can be imported. "
            f"Received: {place} ({error}). Check the name and PYTHONPATH."
        ) from error
    if not is_given or not callable(found):
        raise ValueError(
            f"`--build` must name a function. Received: {place}. Pass e.g. "
            "`--build networks:build_model`."
        )
    return found


def _optimizer(values: dict[str, Any]) -> Any:
    from keras_sharpness.training.compiling import keras_optimizer

    optimizer = keras_optimizer(values["optimizer"])
    is_sgd = type(optimizer).__name__ == "SGD"
    config = optimizer.get_config()
    for name, usual in (("learning_rate", 0.02), ("momentum", 0.9)):
        value = values[name]
        if value is None and is_sgd:
            value = usual
        if value is None:
            continue
        if name not in config:
            raise ValueError(
                f"`--{name.replace('_', '-')}` does not go with --optimizer "
                f"{values['optimizer']}, which has none. Leave it out."
            )
        config[name] = value
    return type(optimizer).from_config(config)
