"""What a training has come to."""

import keras


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
    return all(
        bool(
            keras.ops.all(
                keras.ops.isfinite(keras.ops.convert_to_tensor(variable))
            )
        )
        for variable in model.trainable_variables
    )
