"""How far a study is: two bars on a terminal, a line per step elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
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
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not (show and self._console.is_terminal),
        )

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
