"""One computation at a time, in a thread: watched, stopped, and timed."""

import collections
import dataclasses
import functools
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal

from keras_sharpness.reasons import short_reason
from keras_sharpness.saving import KerasSharpnessError

# In evaluations of the loss: what a gradient and a product of the Hessian
# cost about, forward, backward and, for the product, both again.
UNITS = {"evaluation": 1.0, "gradient": 3.0, "product": 6.0}
_MOST_PACES = 64
# Held while models are made and graphs are traced.
IN_USE = threading.Lock()
State = Literal["waiting", "running", "done", "stopped", "failed"]
# Before that many seconds an estimate of the rest is a guess.
_SECONDS_TO_JUDGE = 0.5


class Stopwatch:
    """Seconds per step of a computation, by the unit of its steps.

    A stage's first step is left out: in it graphs are compiled.
    """

    def __init__(self) -> None:
        self._unit = ""
        self._last: tuple[int, float] | None = None
        self._totals: dict[str, tuple[int, float]] = {}

    def stage(self, unit: str) -> None:
        """Something else begins, whose steps are of this unit, or of none."""
        self._unit, self._last = unit, None

    def step(self, done: int, now: float) -> None:
        """So many steps are done at this time, in seconds."""
        if self._unit and self._last is not None:
            count, seconds = self._totals.get(self._unit, (0, 0.0))
            self._totals[self._unit] = (
                count + done - self._last[0],
                seconds + now - self._last[1],
            )
        self._last = done, now

    def read(self) -> dict[str, float]:
        """Seconds per step of every unit since the last reading."""
        totals, self._totals = self._totals, {}
        self.stage("")
        return {
            unit: seconds / count
            for unit, (count, seconds) in totals.items()
            if count > 0
        }


class Paces:
    """Seconds per unit, by what is computed on: a network and samples."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, dict[str, float]] = {}

    def learn(self, key: Hashable, seconds: Mapping[str, float]) -> None:
        """Remembers what a `Stopwatch` has read."""
        if not seconds:
            return
        with self._lock:
            known = self._known.pop(key, {})
            while len(self._known) >= _MOST_PACES:
                self._known.pop(next(iter(self._known)))
            self._known[key] = {**known, **seconds}

    def seconds(self, key: Hashable, work: Mapping[str, float]) -> float | None:
        """About how long some work takes; None where nothing was measured.

        Args:
            key: Hashable. The network and the samples.
            work: Mapping from a unit to how many there are.

        Returns:
            Float, or None.
        """
        with self._lock:
            known = self._known.get(key)
        if not known:
            return None
        # Units that were not measured follow from the one that is nearest.
        total = 0.0
        for unit, count in work.items():
            near = min(known, key=lambda u: abs(UNITS[u] - UNITS[unit]))
            total += count * known[near] * UNITS[unit] / UNITS[near]
        return total


# One for all sessions: a pace tells nothing of a model but its size.
PACES = Paces()


def protect() -> None:
    """Keeps Streamlit from resetting Keras in the midst of a computation.

    After every run of a script Streamlit calls `keras.backend.clear_session`,
    which takes the scopes away that another thread has open, such as the one
    in which a model is loaded safely. While `IN_USE` is held, that call does
    nothing.
    """
    import keras

    clear = keras.backend.clear_session
    if hasattr(clear, "__wrapped__"):
        return

    @functools.wraps(clear)
    def clear_unless_in_use(*args: object, **kwargs: object) -> None:
        if IN_USE.acquire(blocking=False):
            try:
                clear(*args, **kwargs)
            finally:
                IN_USE.release()

    keras.backend.clear_session = clear_unless_in_use


class Stopped(BaseException):
    """Raised in the work to end it; no error, so nothing shall catch it."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: Str. What is being done.
        done: Int. Steps of the stage that are done.
        total: Int. Steps of the stage; 0 where they are not counted.
        remaining: Float. Seconds, or None while nobody can tell.
    """

    stage: str
    done: int = 0
    total: int = 0
    remaining: float | None = None


class Job:
    """A computation of one session.

    Args:
        key: Hashable. Tells computations apart.
        title: Str. What is computed.
        work: Callable that takes the job and reports to it.
        folder: Path of a folder for what a stopped job goes on from.
    """

    def __init__(
        self,
        key: Hashable,
        title: str,
        work: Callable[["Job"], None],
        folder: pathlib.Path,
    ):
        self.key, self.title = key, title
        self.state: State = "waiting"
        self.progress = Progress("Waiting")
        self.partial: Any = None
        self.num_partials = 0
        self.message = ""
        self.folder = folder
        # What it is at now, of several, and what comes after that.
        self.request: Any = None
        self.later: Sequence[Any] = ()
        self.stopwatch = Stopwatch()
        self._work: Callable[[Job], None] | None = work
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._since = 0.0

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def stop(self) -> None:
        """Asks the work to end; it does at its next step."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it has ended; whether it has."""
        return self._ended.wait(seconds)

    def stage(self, name: str, *, unit: str = "") -> None:
        """Called by the work when it begins with something else.

        Args:
            name: Str. What it begins with.
            unit: Str. What its steps are, one of `UNITS`, if they are alike.
        """
        self._since = time.monotonic()
        self.stopwatch.stage(unit)
        self.progress = Progress(name)
        self.check()

    def step(self, done: int, total: int) -> None:
        """Called by the work after every step of a stage; may end it."""
        self.count(done, total)
        self.check()

    def count(self, done: int, total: int) -> None:
        """As `step`, for work that asks `is_stopping` itself."""
        now = time.monotonic()
        self.stopwatch.step(done, now)
        seconds = now - self._since
        remaining = None
        if done and seconds > _SECONDS_TO_JUDGE:
            remaining = seconds / done * (total - done)
        self.progress = Progress(self.progress.stage, done, total, remaining)

    def show(self, partial: Any) -> None:
        """Called by the work when there is something to look at."""
        self.partial = partial
        self.num_partials += 1
        self.check()

    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def check(self) -> None:
        """Ends the work, from within, once it was asked to stop."""
        if self.is_stopping():
            raise Stopped

    def run(self) -> None:
        """Does the work; called by the thread, returns whatever happens."""
        try:
            self.check()
            self.state = "running"
            with IN_USE:
                self._work(self)
            self.state = "done"
        except Stopped:
            self.state = "stopped"
        except MemoryError:
            self._fail(
                "The memory of this machine does not suffice. Choose fewer "
                "samples, or a smaller grid."
            )
        except KerasSharpnessError as error:
            self._fail(str(error))
        except _expected() as error:
            text = str(error)
            # Keras and TensorFlow can say half a million characters.
            is_short = len(text) < 1000 and "\n" not in text
            self._fail(text if is_short else short_reason(error))
        finally:
            if self.is_active:
                self._fail(
                    "The explorer itself has an error here; the terminal that "
                    "it was started from tells which one."
                )
            # The work holds models, which nobody needs any more.
            self._work = None
            self._ended.set()

    def _fail(self, message: str) -> None:
        self.message, self.state = message, "failed"


def _expected() -> tuple[type[Exception], ...]:
    """What models and data of strangers make the package raise."""
    kinds = [ArithmeticError, LookupError, OSError]
    kinds += [RuntimeError, TypeError, ValueError]
    if "tensorflow" in sys.modules:
        kinds.append(sys.modules["tensorflow"].errors.OpError)
    return tuple(kinds)


class Worker:
    """The thread of the process that computes, first come, first served."""

    def __init__(self) -> None:
        self._jobs: collections.deque[Job] = collections.deque()
        self._lock = threading.Lock()
        self._is_serving = False

    def submit(self, job: Job) -> None:
        """Puts a job at the end of the queue."""
        with self._lock:
            self._jobs.append(job)
            if not self._is_serving:
                self._start()

    def ahead_of(self, job: Job) -> int:
        """How many jobs come before one that waits."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def _start(self) -> None:
        self._is_serving = True
        # A daemon: it must not keep a server alive that shall end.
        threading.Thread(
            target=self._serve, name="computations", daemon=True
        ).start()

    def _serve(self) -> None:
        while True:
            try:
                self._jobs[0].run()
            finally:
                # Also where an error ends this thread: the jobs behind it
                # are served by another one.
                with self._lock:
                    self._jobs.popleft()
                    goes_on = self._is_serving = bool(self._jobs)
                    if sys.exception() is not None and goes_on:
                        self._start()
            if not goes_on:
                return


# One for all sessions: two computations at once would take each other's
# processors and memory, and both be later.
WORKER = Worker()
