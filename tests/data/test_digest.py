"""Digests tell contents, shapes and dtypes apart, and nothing else."""

import ml_dtypes
import numpy as np

from keras_sharpness.data import SampleData
from keras_sharpness.data.digest import digest_array, digest_data

X = np.arange(6.0).reshape(2, 3)


def test_whatever_differs_has_another_digest():
    others = [X.T, X.ravel(), X + 1, X.astype("f4"), X.astype(int), X[:1]]
    digests = {digest_array(array) for array in [X, *others]}
    assert len(digests) == 7
    assert {len(digest) for digest in digests} == {32}


def test_the_place_in_memory_does_not_count():
    for same in (X.copy(), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        assert digest_array(same) == digest_array(X)


def test_dtypes_without_a_buffer_protocol():
    one, other = (np.full(3, v, ml_dtypes.bfloat16) for v in (1, 2))
    assert digest_array(one) == digest_array(one.copy()) != digest_array(other)


def test_a_data_set_by_its_four_arrays():
    arrays = {
        "x_train": X,
        "y_train": X[:, 0],
        "x_test": X[:1],
        "y_test": X[:1, 0],
    }
    found = digest_data(SampleData(name="a", source="here", **arrays))
    # Neither the name nor the source is data.
    assert found == digest_data(SampleData(name="b", source="there", **arrays))
    assert found == {name: digest_array(a) for name, a in arrays.items()}
