"""Points of weight space as tensors: held for later, or in one piece."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.backend import held
from keras_sharpness.metrics.weights import WeightLayout

# Frameworks cut a tensor up without copying where every part begins at a
# multiple of this.
_ALIGNMENT_BYTES = 64


class HeldWeights:
    """A point of weight space as tensors, in the variables' dtypes.

    Later training does not move them.

    Args:
        layout: `WeightLayout`.
        w: Array (P,), the model's weights when left out.
        state: Variables or arrays: the non-trainable ones, which go with them.

    Attributes:
        tensors: List of tensors, one per trainable variable.
        state: List of tensors, one per non-trainable variable.

    Raises:
        ValueError: If `w` has another shape or is not finite.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.metrics.points import HeldWeights
    from keras_sharpness.metrics.weights import WeightLayout

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    layout = WeightLayout(model)
    before = layout.read()
    held = HeldWeights(layout)
    model.set_weights([np.zeros((3, 1)), np.ones(1)])
    assert np.array_equal(held.read(), before)
    ```
    """

    def __init__(
        self,
        layout: WeightLayout,
        w: np.ndarray | None = None,
        state: Sequence[Any] = (),
    ):
        self._layout = layout
        values = (
            layout.variables if w is None else layout.split(layout.check(w))
        )
        self.tensors = held(values, layout.dtypes)
        self.state = held(state)

    def read(self) -> np.ndarray:
        """The point as the variables' dtypes round it, (P,) float64."""
        return self._layout.join(
            [keras.ops.convert_to_numpy(tensor) for tensor in self.tensors]
        )


@dataclasses.dataclass(frozen=True)
class MovedWeights:
    """`start + step`, summed up only where the loss is evaluated.

    Summed up by the compiled function itself, the weights are still in the
    cache when they are used, and no variable is assigned to.

    Attributes:
        start: Tensor, packed by a `PackedWeights`.
        step: Tensor, likewise.
    """

    start: Any
    step: Any


class PackedWeights:
    """One tensor for all trainable variables, and back.

    It holds the variables one after the other, each followed by zeros up to
    an aligned place, in float64 if one of them is, else in float32: steps
    below the spacing of half precision must still add up.

    Args:
        layout: `WeightLayout`.
    """

    def __init__(self, layout: WeightLayout):
        self._layout = layout
        self.dtype = "float64" if "float64" in layout.dtypes else "float32"
        unit = _ALIGNMENT_BYTES // np.dtype(self.dtype).itemsize
        self._sizes = [int(np.prod(shape)) for shape in layout.shapes]
        self._room = [-(-size // unit) * unit for size in self._sizes]

    @property
    def num_bytes(self) -> int:
        """What a packed vector occupies."""
        return sum(self._room) * np.dtype(self.dtype).itemsize

    def pack(self, vector: np.ndarray) -> Any:
        """A flat vector of all weights as a packed tensor.

        Args:
            vector: Array (P,).

        Returns:
            Tensor.
        """
        packed = np.zeros(sum(self._room), self.dtype)
        begin = 0
        for part, size, room in zip(
            self._layout.parts(vector), self._sizes, self._room, strict=True
        ):
            packed[begin : begin + size] = part
            begin += room
        return keras.ops.convert_to_tensor(packed)

    def unpack(self, packed: Any) -> Sequence[Any]:
        """A packed tensor as tensors of the variables' shapes and dtypes."""
        ops = keras.ops
        parts = [packed]
        if len(self._room) > 1:
            # Keras' split needs a place to cut at.
            parts = ops.split(packed, list(np.cumsum(self._room)[:-1]))
        return [
            ops.cast(
                ops.reshape(part if size == room else part[:size], shape),
                dtype,
            )
            for part, size, room, shape, dtype in zip(
                parts,
                self._sizes,
                self._room,
                self._layout.shapes,
                self._layout.dtypes,
                strict=True,
            )
        ]
