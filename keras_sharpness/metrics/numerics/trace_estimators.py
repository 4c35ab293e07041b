"""Hutchinson, Hutch++ and XTrace behind one interface."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_sharpness.metrics.flat_arrays import chunks
from keras_sharpness.metrics.numerics.probes import DeflatedProbes, rademacher
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.standard_error import (
    Moments,
    standard_error,
    student_factor,
)
from keras_sharpness.metrics.numerics.xtrace import XTrace

# Numbers whose magnitudes are summed at once, in the cache.
_PIECE = 1 << 14


class Segments:
    """The rows of an operator, cut where a variable begins or ends.

    Args:
        size: Int. P, the number of rows.
        slices: Dict of variable path to the slice of rows it owns; may be
            empty.

    Attributes:
        variables: Tuple of str, the paths.
        layers: Tuple of str, the paths without their last part, each once.
        cuts: Array (S + 1,) of int: segment s is rows `cuts[s]:cuts[s + 1]`.
        members: Array (1 + variables + layers, S) of 0 and 1: what belongs to
            the total, to each variable and to each layer.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.numerics.trace_estimators import Segments

    slices = {"dense/kernel": slice(0, 3), "dense/bias": slice(3, 4)}
    segments = Segments(4, slices)
    sums = segments.members @ segments.sums(np.ones((4, 1)))
    assert segments.layers == ("dense",)
    assert sums.ravel().tolist() == [4.0, 3.0, 1.0, 4.0]
    ```
    """

    def __init__(self, size: int, slices: Mapping[str, slice]):
        self.variables = tuple(slices)
        self.layers = tuple(dict.fromkeys(map(layer_of, slices)))
        ends = [end for s in slices.values() for end in (s.start, s.stop)]
        self.cuts = np.unique([0, size, *ends])
        starts = self.cuts[:-1]
        variables = np.array(
            [(s.start <= starts) & (starts < s.stop) for s in slices.values()]
        ).reshape(len(slices), len(starts))
        layers = np.array(
            [
                variables[[layer_of(path) == layer for path in slices]].any(0)
                for layer in self.layers
            ]
        ).reshape(len(self.layers), len(starts))
        total = np.ones((1, len(starts)))
        self.members = np.concatenate([total, variables, layers])

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Sums over each segment of an array (P, b), as (S, b)."""
        # Along columns as they lie in memory, those of probes contiguous.
        return np.add.reduceat(rows.T, self.cuts[:-1], axis=1).T


def layer_of(path: str) -> str:
    """The layer of a variable: its path without the last part."""
    return path.rsplit("/", 1)[0]


@dataclasses.dataclass(frozen=True)
class Estimates:
    """What is known of the total, the variables and the layers.

    Attributes:
        values: Array (1 + variables + layers,).
        errors: Array of the same shape, their standard errors.
        samples: Array (n,), of the total.
    """

    values: np.ndarray
    errors: np.ndarray
    samples: np.ndarray


class IndependentSamples:
    """Hutchinson, or Hutch++ with a sketch: samples that are independent.

    A sample is the sum of the entries of v ∘ (R v), each of which has the
    variance Σ_{j≠i} Rᵢⱼ². The variance of the sum is twice the sum of these,
    2 Σ_{i≠j} Rᵢⱼ², as every pair counts in both entries; that of a sum over
    some entries lies between the sum of theirs and twice that. So few probes
    tell much: estimated by s² of their sums, the deviation of two probes is
    often near 0; by the entries it is as large as the products.

    With these, `standard_error = t √(V / n)`, V being twice the sum of the
    entries' variances, for some of the entries s² within its bounds, and t the
    factor of Student's distribution with n degrees of freedom. Where one
    eigenvalue λ dominates, V is 2 λ² times a χ² of n degrees over n: two
    standard errors hold the truth in 95 to 96 % of the cases for any n.

    Args:
        multiply: `Products`.
        segments: `Segments` of the rows.
        sketch_size: Int. Probes whose range is taken out beforehand.
        seed: Int. For the probes.

    Attributes:
        rounding: Float. That of a sample in float64: an error below it cannot
            be told from none.
    """

    def __init__(
        self,
        multiply: Products,
        segments: Segments,
        *,
        sketch_size: int,
        seed: int,
    ):
        self.rounding = 0.0
        self._segments = segments
        self._probes = DeflatedProbes(
            multiply, multiply.size, sketch_size=sketch_size, seed=seed
        )
        self._exact = segments.sums(self._probes.exact[:, None])
        self._samples: list[np.ndarray] = []  # (segments, b) each
        self._entries = Moments(multiply.size)

    def extend(self, count: int) -> None:
        """Takes `count` more probes."""
        terms = self._probes.terms(count)
        self._entries.add(terms)
        self.rounding = max(
            self.rounding, _rounding(terms) + _rounding(self._probes.exact)
        )
        self._samples.append(self._exact + self._segments.sums(terms))

    def estimates(self) -> Estimates:
        """The `Estimates` from the probes so far."""
        members = self._segments.members
        samples = members @ np.hstack(self._samples)
        count = samples.shape[1]
        entries = self._segments.sums(self._entries.variance()[:, None])
        least = (members @ entries)[:, 0]
        variance = np.clip(np.var(samples, axis=1, ddof=1), least, 2 * least)
        variance[0] = 2 * least[0]
        return Estimates(
            np.mean(samples, axis=1),
            student_factor(count + 1) * np.sqrt(variance / count),
            samples[0],
        )


class LeaveOneOutSamples:
    """XTrace, whose samples depend on each other.

    Args:
        multiply: `Products`.
        segments: `Segments` of the rows.
        seed: Int. For the probes.

    Attributes:
        rounding: Float. That of a sample in float64.
    """

    def __init__(self, multiply: Products, segments: Segments, *, seed: int):
        self.rounding = 0.0
        self._size = multiply.size
        self._segments = segments
        self._seed = seed
        self._taken = 0
        self._xtrace = XTrace(multiply, segments.cuts)

    def extend(self, count: int) -> None:
        """Takes `count` more probes."""
        block = rademacher(
            self._size, count=count, first=self._taken, seed=self._seed
        )
        self._taken += count
        self.rounding = max(
            self.rounding, _rounding(self._xtrace.extend(block))
        )

    def estimates(self) -> Estimates:
        """The `Estimates` from the probes so far."""
        members = self._segments.members
        left_out = self._xtrace.leave_one_out()
        samples = members @ left_out.samples
        interactions = np.tensordot(members, left_out.interactions, axes=1)
        count = samples.shape[1]
        # Of the mean of k samples with variance v and covariance c the
        # variance is v/k + c (k − 1)/k, and s² estimates v − c.
        covariances = np.einsum("gij,gji->g", interactions, interactions) / (
            count * (count - 1)
        )
        added = student_factor(count) ** 2 * np.maximum(covariances, 0.0)
        return Estimates(
            np.mean(samples, axis=1),
            np.sqrt(standard_error(samples) ** 2 + added),
            samples[0],
        )


def _rounding(terms: np.ndarray) -> float:
    # A hundred roundings: a sum of many terms, and the algebra after it.
    largest = max(
        sum(
            float(np.sum(np.abs(column[part])))
            for part in chunks(0, len(column), _PIECE)
        )
        for column in np.atleast_2d(terms.T)
    )
    return 100 * np.finfo(np.float64).eps * largest
