"""One way for all long work to show how much of it remains."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from keras_sharpness import arguments
from keras_sharpness.interrupts import kept_interrupts

# True: a bar; False: nothing; None: a bar where a person watches; a callable
# is told (done, total) after every step.
ProgressOption = bool | Callable[[int, int], None] | None


@contextlib.contextmanager
def track(
    description: str, total: int, progress: ProgressOption = None
) -> Iterator[Callable[[], None]]:
    """Shows a bar with what remains while the block runs.

    An interrupt from the keyboard that was lost on the way, as
    `kept_interrupts` tells, ends the block at the next step.

    Args:
        description: Str. What is being done.
        total: Int. Number of steps at the most.
        progress: Bool, callable `(done, total)`, or None for a bar on
            standard error if that is a terminal or a notebook.

    Yields:
        A function without arguments, to be called after every step.

    Example:

    ```python
    from keras_sharpness.progress import track

    seen = []
    with track("Halving", 2, lambda *step: seen.append(step)) as advance:
        advance()
        advance()
    assert seen == [(1, 2), (2, 2)]
    ```
    """
    check_progress(progress)
    with kept_interrupts() as check_interrupts:
        if callable(progress):
            done = 0

            def advance() -> None:
                nonlocal done
                check_interrupts()
                done = min(done + 1, total)
                progress(done, total)

            yield advance
            return
        console = Console(stderr=True)
        if progress is None:
            progress = is_watched(console)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not progress,
        ) as bar:
            task = bar.add_task(description, total=total)

            def advance() -> None:
                check_interrupts()
                bar.advance(task)

            yield advance


def check_progress(progress: Any) -> ProgressOption:
    """`progress`, if it is one of the kinds that `track` takes.

    Args:
        progress: What a caller passed.

    Returns:
        The same.

    Raises:
        ValueError: If it is no bool, no function and not None.
    """
    if not (
        progress is None or isinstance(progress, bool) or callable(progress)
    ):
        raise arguments.refuse(
            "progress",
            progress,
            "a bool, None or a function",
            "Pass e.g. `progress=True`.",
        )
    return progress


def is_watched(console: Console) -> bool:
    """Whether a bar would be seen: on a terminal, or in a notebook.

    In notebooks rich draws with ipywidgets; where they are missing it would
    say so instead, at every bar.

    Args:
        console: `rich.console.Console`.

    Returns:
        Bool.
    """
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal
