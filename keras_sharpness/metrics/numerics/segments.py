"""Sums over the rows that belong to a variable, to a layer, to all."""

from collections.abc import Mapping

import numpy as np


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
    from keras_sharpness.metrics.numerics.segments import Segments

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
