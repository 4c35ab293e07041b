"""How far a study is: two bars on a terminal, a line per step elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from keras_sharpness import arguments
from keras_sharpness.interrupts import kept_interrupts


class StudyProgress:
    """Shows the steps of a study and what remains of the present one.

    An interrupt from the keyboard that was lost on the way, as
    `kept_interrupts` tells, ends the study at the next report.

    Args:
        total: Int. Number of steps.
        show: Bool. Whether to show anything.
    """

    def __init__(self, total: int, *, show: bool = True):
        self._total = arguments.integer("total", total, least=0)
        arguments.boolean("show", show)
        self._done = 0
        self._console = Console(stderr=True)
        self._show = show
        self._bars = _bars(self._console, show)

    def __enter__(self) -> "StudyProgress":
        """Starts the bars."""
        with contextlib.ExitStack() as stack:
            self._check_interrupts = stack.enter_context(kept_interrupts())
            stack.enter_context(self._bars)
            self._study = self._bars.add_task("study", total=self._total)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Takes the bars away, also after an exception."""
        self._open.__exit__(*exception)

    def skip(self, steps: int = 1) -> None:
        """Counts steps whose results are there already."""
        self._done += steps
        self._bars.advance(self._study, steps)

    @contextlib.contextmanager
    def step(self, description: str) -> Iterator[Callable[..., None]]:
        """One step of the study.

        Args:
            description: Str. What is being done.

        Yields:
            A function `(done, total, …)` to be told how far the step is.
        """
        self._check_interrupts()
        task = self._bars.add_task(description, total=None)
        clock = time.perf_counter()

        def report(done: int, total: int, *_: object) -> None:
            self._check_interrupts()
            self._bars.update(task, completed=done, total=total)

        try:
            yield report
        finally:
            self._bars.remove_task(task)
        self.skip()
        if self._show and not self._console.is_terminal:
            seconds = time.perf_counter() - clock
            self._console.print(
                f"[{self._done}/{self._total}] {description} ({seconds:.1f} s)",
                markup=False,
                highlight=False,
            )


class MemberProgress:
    """Shows how many members of a study have ended, and which ones run.

    Args:
        total: Int. Number of members.
        show: Bool. Whether to show anything.
    """

    def __init__(self, total: int, *, show: bool = True):
        self._total = arguments.integer("total", total, least=0)
        self._done = 0
        self._show = show
        self._console = Console(stderr=True)
        self._bars = _bars(self._console, show)
        self._running: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> "MemberProgress":
        """Starts the bars."""
        with contextlib.ExitStack() as stack:
            self.check_interrupts = stack.enter_context(kept_interrupts())
            stack.enter_context(self._bars)
            self._study = self._bars.add_task("study", total=self._total)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Takes the bars away, also after an exception."""
        self._open.__exit__(*exception)

    def begin(self, member: str) -> None:
        """A member has begun to run.

        Args:
            member: Str. What to call it.
        """
        task = self._bars.add_task(member, total=None)
        self._running[member] = task, time.perf_counter()

    def drop(self, member: str) -> float:
        """A member runs no more, and has not ended.

        Args:
            member: Str.

        Returns:
            Float. The seconds since it began.
        """
        task, clock = self._running.pop(member)
        self._bars.remove_task(task)
        return time.perf_counter() - clock

    def end(self, member: str, how: str = "") -> None:
        """A member has ended.

        Args:
            member: Str.
            how: Str. `"failed"`, or nothing.
        """
        seconds = self.drop(member)
        self._done += 1
        self._bars.advance(self._study)
        if self._show and (how or not self._console.is_terminal):
            self._console.print(
                f"[{self._done}/{self._total}] {member}"
                f"{f', {how}' if how else ''} ({seconds:.1f} s)",
                markup=False,
                highlight=False,
            )


def _bars(console: Console, show: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (show and console.is_terminal),
    )
