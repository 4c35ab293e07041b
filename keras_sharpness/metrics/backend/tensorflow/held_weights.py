"""The weights and the state at one point, held for later."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.weights import WeightLayout


class HeldWeights:
    """A point of weight space as tensors, in the variables' dtypes.

    The model's own weights are held without a copy: TensorFlow makes one when
    a variable changes whose value is still held.

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
    from keras_sharpness.metrics.backend.tensorflow.held_weights import (
        HeldWeights,
    )
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
            [variable.value for variable in layout.variables]
            if w is None
            else layout.split(layout.check(w))
        )
        self.tensors = [
            tf.cast(_tensor(value), dtype)
            for value, dtype in zip(values, layout.dtypes, strict=True)
        ]
        self.state = [_tensor(value) for value in state]

    def read(self) -> np.ndarray:
        """The point as the variables' dtypes round it, (P,) float64."""
        return self._layout.join(
            [keras.ops.convert_to_numpy(tensor) for tensor in self.tensors]
        )


def _tensor(value: Any) -> tf.Tensor:
    # Keras would hand a variable back as it is, and that moves.
    if isinstance(value, keras.Variable):
        value = value.value
    return tf.convert_to_tensor(value)
