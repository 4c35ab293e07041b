"""What a training has come to."""

import keras
import numpy as np


def step_of(model: keras.Model) -> int:
    """Updates of the weights so far.

    Args:
        model: Compiled `keras.Model`.

    Returns:
        Int.
    """
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def weights_are_finite(model: keras.Model) -> bool:
    """Whether no trainable weight is NaN or infinite.

    Args:
        model: `keras.Model`.

    Returns:
        Bool.
    """
    # Not by the device: 22 variables take 4 ms there, and 1 ms here.
    return all(
        bool(np.all(np.isfinite(np.asarray(tensor))))
        for tensor in map(
            keras.ops.convert_to_tensor, model.trainable_variables
        )
    )
