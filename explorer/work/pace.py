"""How fast this machine computes, as far as earlier computations tell."""

import threading
from collections.abc import Hashable, Mapping

# In evaluations of the loss: what a gradient and a product of the Hessian
# cost about, forward, backward and, for the product, both again.
UNITS = {"evaluation": 1.0, "gradient": 3.0, "product": 6.0}
_MOST = 64


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
            while len(self._known) >= _MOST:
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
