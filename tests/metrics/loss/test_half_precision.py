"""Scales are powers of two, and only where float16 is computed in."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.loss.half_precision import (
    computes_in_float16,
    loss_scale,
    vector_scales,
)


def model(dtype):
    inner = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2, dtype=dtype)]
    )
    return keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float64"])
def test_a_wide_range_needs_no_scales(dtype):
    assert not computes_in_float16(model(dtype))
    assert loss_scale(model(dtype), num_samples=999, batch_size=9) == 1.0
    scales = vector_scales(model(dtype), np.full((2, 3), 1e-30))
    np.testing.assert_array_equal(scales, np.ones((2, 1)))


def test_the_loss_is_scaled_by_the_number_of_samples():
    assert computes_in_float16(model("mixed_float16"))
    found = [
        loss_scale(model("mixed_float16"), num_samples=n, batch_size=size)
        # The last ones: a batch would add up 4096 samples' terms.
        for n, size in ((1, 1), (1000, 100), (4096, 4096), (8192, 4096))
    ]
    assert found == [1.0, 512.0, 1024.0, 2048.0]


def test_vectors_are_scaled_by_their_largest_entry():
    vectors = np.array([[1e-9, -3.0], [2.0**-30, 0.0], [0.0, 0.0], [np.inf, 1]])
    scales = vector_scales(model("mixed_float16"), vectors)
    # 3 lies nearer to 4 by its logarithm, 1.58.
    np.testing.assert_array_equal(scales.ravel(), [4.0, 2.0**-30, 1.0, 1.0])
