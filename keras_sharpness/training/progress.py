"""How far a training is: a bar on the terminal, or a function's calls."""

from collections.abc import Callable
from typing import Any, Protocol

import rich.console
import rich.progress

from keras_sharpness.progress import check_progress, is_watched

ProgressFunction = Callable[[int, int, dict[str, float]], None]


class Reporter(Protocol):
    """What the training loop tells of its progress."""

    def update(self, done: int, total: int, logs: dict[str, float]) -> None:
        """Reports updates done, those in total, and the present losses."""

    def close(self) -> None:
        """Ends the report."""


def make_reporter(
    progress: bool | ProgressFunction | None, *, epochs: int
) -> Reporter:
    """The reporter that `progress` asks for.

    Args:
        progress: Bool; None for a bar where stderr is a terminal or a
            notebook; or a function `(done, total, logs)`.
        epochs: Int. Epochs of the whole training.

    Returns:
        A `Reporter`.

    Raises:
        ValueError: If `progress` is none of these.
    """
    if progress is None:
        progress = is_watched(rich.console.Console(stderr=True))
    if progress is True:
        return _Bar(epochs)
    if progress is False:
        return _Silence()
    return _Calls(check_progress(progress))


class _Silence:
    def update(self, done: int, total: int, logs: dict[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


class _Calls:
    def __init__(self, function: ProgressFunction):
        self._function = function

    def update(self, done: int, total: int, logs: dict[str, float]) -> None:
        self._function(done, total, dict(logs))

    def close(self) -> None:
        pass


class _Bar:
    def __init__(self, epochs: int):
        self._epochs = epochs
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=None),
            rich.progress.TaskProgressColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[measured]}"),
            console=rich.console.Console(stderr=True),
        )
        self._task: Any = self._bar.add_task(
            f"epoch 1/{epochs}", total=None, measured=""
        )

    def update(self, done: int, total: int, logs: dict[str, float]) -> None:
        # Here, because nothing may appear before the arguments are checked.
        self._bar.start()
        measured = {k: v for k, v in logs.items() if k != "epoch"}
        self._bar.update(
            self._task,
            completed=done,
            total=total,
            description=f"epoch {logs['epoch']:.0f}/{self._epochs}",
            measured="  ".join(f"{k} {v:.4g}" for k, v in measured.items()),
        )

    def close(self) -> None:
        self._bar.stop()
