"""The framework that Keras computes with: all that training needs of it.

* `Data`: samples, as arrays or on the device.
* `CompiledSteps`: a model's updates and evaluations, many in one call.
* `to_device`: arrays as tensors.
* `snapshot`: the values of variables at this moment.
* `Step`: what an update consists of, for methods to put together.
* `Measures`: what a step says of its batch.
* `sharpness_aware_step`: a training step for `fit`.
* `FiniteCheck`: whether a model's variables are finite.
"""

import keras

if keras.backend.backend() != "tensorflow":
    raise RuntimeError(
        "Training needs Keras on TensorFlow. Received: backend "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
    )

from keras_sharpness.training.backend.tensorflow import (
    CompiledSteps,
    Data,
    FiniteCheck,
    snapshot,
    to_device,
)
from keras_sharpness.training.backend.tensorflow_fit import (
    sharpness_aware_step,
)
from keras_sharpness.training.backend.tensorflow_step import Measures, Step

__all__ = [
    "CompiledSteps",
    "Data",
    "FiniteCheck",
    "Measures",
    "Step",
    "sharpness_aware_step",
    "snapshot",
    "to_device",
]
