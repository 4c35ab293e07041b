"""What other libraries raise, and what is said of it."""

import keras
import numpy as np
import pytest

from keras_sharpness.reasons import framework_errors


def test_errors_of_operations_are_known():
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    with pytest.raises(framework_errors()):
        keras.ops.matmul(np.ones((1, 4), "float32"), dense.kernel)
