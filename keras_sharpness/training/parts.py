"""Whether the gradient of a batch is the mean of those of its parts."""

from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.numerics.basis import EPSILON
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.models.first_call import (
    CALL_FAILURES,
    declared_batch_size,
)
from keras_sharpness.reasons import short_reason
from keras_sharpness.training.backend import Data
from keras_sharpness.training.compiling import first_outputs


def check_parts(
    model: keras.Model, data: Data, loss: Any, *, size: int, batch_size: int
) -> None:
    """Refuses losses that do not average over samples, and fixed inputs.

    It is tried on a few samples, with their own statistics off: the loss of
    all of them against the mean of those of unequal parts.

    Args:
        model: `keras.Model`, built.
        data: `Data` of arrays, the first few samples.
        loss: Loss as `model.compile` takes it; None for what the model itself
            computes.
        size: Int. Samples in a part.
        batch_size: Int. Samples in a batch.

    Raises:
        ValueError: If the parts of a batch do not make up the batch.
    """
    if size >= batch_size:
        return
    _check_declared(model, data, size, batch_size)
    if _has_mask(model, data):
        raise ValueError(
            f"`micro_batch_size` does not fit model {model.name!r}: its "
            "outputs carry a mask, so that the loss of a batch is the mean "
            "over the entries that count, of which each part has another "
            f"number. Received: micro_batch_size={size}. Leave it out."
        )
    num_samples = len(keras.tree.flatten(data.x)[0])
    try:
        whole, parts = (
            Objective(
                model,
                data.x,
                data.y,
                sample_weight=data.sample_weight,
                loss=loss,
                batch_size=length,
                check_repeatability=False,
            )
            for length in (num_samples, max(1, num_samples // 3))
        )
    except ValueError as error:
        raise ValueError(
            f"`micro_batch_size` does not fit this loss. Received: "
            f"micro_batch_size={size}. {short_reason(error)} Or leave "
            "`micro_batch_size` out."
        ) from error
    ignored = {
        getattr(function, "ignore_class", None)
        for function in whole.loss.leaves
    }
    if ignored - {None}:
        raise ValueError(
            "`micro_batch_size` does not fit a loss with `ignore_class`, which "
            "divides each batch by the entries that count in it. Received: "
            f"micro_batch_size={size}. Leave it out, or give the ignored "
            "samples a `sample_weight` of 0."
        )
    of_all, of_parts = whole.value(), parts.value()
    # Rounding differs by far less than the square root of the precision, a
    # sum in the place of a mean by a factor. Losses may be of another dtype
    # than the model, float32 as a rule.
    dtypes = {layer.compute_dtype for layer in model._flatten_layers()}
    tolerance = np.sqrt(
        max(EPSILON.get(dtype, 0.0) for dtype in {*dtypes, "float32"})
    )
    if abs(of_all - of_parts) > tolerance * max(abs(of_all), abs(of_parts)):
        raise ValueError(
            "`micro_batch_size` needs a loss that is a mean over the samples. "
            f"Received: micro_batch_size={size}, and a loss of {of_all:.6g} "
            f"for {num_samples} samples together, of {of_parts:.6g} as the "
            "mean over parts of them. Return one loss for each sample, divide "
            "what `add_loss` gets by the size of the batch, or leave "
            "`micro_batch_size` out."
        )


def _check_declared(
    model: keras.Model, data: Data, size: int, batch_size: int
) -> None:
    declared = declared_batch_size(model)
    if declared is None:
        return
    for length in {size, batch_size % size} - {0, declared}:
        x = keras.tree.map_structure(
            # Repeated where the samples are fewer.
            lambda a, n=length: np.resize(a, (n, *a.shape[1:])),
            data.x,
        )
        try:
            first_outputs(model, x)
        except CALL_FAILURES as error:
            raise ValueError(
                f"The inputs of model {model.name!r} fix the size of a batch "
                f"to {declared}. Received: micro_batch_size={size} for "
                f"batches of {batch_size}, with a part of {length} samples. "
                f"Pass `micro_batch_size={declared}` and a multiple of it as "
                "`batch_size`."
            ) from error


def _has_mask(model: keras.Model, data: Data) -> bool:
    with keras.StatelessScope():
        outputs = model(
            keras.tree.map_structure(keras.ops.convert_to_tensor, data.x)
        )
    return any(
        getattr(output, "_keras_mask", None) is not None
        for output in keras.tree.flatten(outputs)
    )
