"""Data as batches, against slices of the arrays they come from."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from keras_sharpness.metrics.batches import (
    Batches,
    as_yielded,
    sample_weights_of_classes,
)

X = np.arange(14.0).reshape(7, 2)
Y = np.array([0, 1, 2, 0, 1, 2, 0])
WEIGHTS = np.linspace(0.0, 3.0, 7)


class Counted(keras.utils.PyDataset):
    """Two batches; it notices what `fit` would tell it."""

    ended = False

    @property
    def num_batches(self):
        return 2

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.ended = True


def test_arrays_are_cut_in_order_and_the_last_is_shorter():
    batches = Batches(
        {"in": X}, Y, sample_weight=WEIGHTS, batch_size=3, dtype="float64"
    )
    for _ in range(2):
        found = list(batches)
        assert [batch.size for batch in found] == [3, 3, 1]
        for values, of in ((X, 0), (Y, 1), (WEIGHTS, 2)):
            parts = [keras.tree.flatten(batch[of])[0] for batch in found]
            np.testing.assert_array_equal(np.concatenate(parts), values)


def test_floating_point_numbers_are_cast_and_others_are_not():
    (batch,) = Batches(X, Y, dtype="float32")
    assert batch.x.dtype == "float32"
    assert batch.y.dtype == "int64"
    (batch,) = Batches(scipy.sparse.csr_matrix(X), dtype="float32")
    assert batch.x.dtype == "float32"


@pytest.mark.parametrize(
    "convert",
    [
        scipy.sparse.csr_matrix,
        tf.sparse.from_dense,
        lambda x: tf.RaggedTensor.from_tensor(tf.constant(x)),
    ],
    ids=["SciPy", "sparse", "ragged"],
)
def test_what_is_no_array_is_cut_like_one(convert):
    found = list(Batches(convert(X), Y, batch_size=3, dtype="float64"))
    assert [batch.size for batch in found] == [3, 3, 1]
    dense = [keras.ops.convert_to_numpy(_dense(batch.x)) for batch in found]
    np.testing.assert_array_equal(np.concatenate(dense), X)


def _dense(tensor):
    if isinstance(tensor, tf.SparseTensor):
        return tf.sparse.to_dense(tensor)
    return tensor.to_tensor()


@pytest.mark.parametrize(
    "source",
    [
        lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(4),
        Counted,
        lambda: [(X[:4], Y[:4]), (X[:0], Y[:0]), (X[4:], Y[4:])],
    ],
    ids=["tf.data", "PyDataset", "iterable"],
)
def test_data_sets_have_their_batches(source):
    data = source()
    # A list would be one of arrays.
    data = _Iterable(data) if isinstance(data, list) else data
    batches = Batches(data)
    assert batches.batch_size is None
    for _ in range(2):
        found = list(batches)
        # An empty batch is left out.
        assert [batch.size for batch in found] == [4, 3]
        np.testing.assert_array_equal(
            np.concatenate([batch.x for batch in found]), X
        )
    assert not getattr(data, "ended", False)


class _Iterable:
    def __init__(self, items):
        self._items = items

    def __iter__(self):
        return iter(self._items)


@pytest.mark.parametrize("y", [Y, Y[:, None], np.eye(3)[Y]])
def test_weights_of_classes(y):
    # The third class has none.
    found = sample_weights_of_classes(y, {0: 2.0, 1: 0.0})
    expected = np.choose(Y, [2.0, 0.0, 1.0])
    np.testing.assert_array_equal(found, expected)
    (batch,) = Batches(X, y, class_weight={0: 2.0, 1: 0.0})
    np.testing.assert_array_equal(batch.sample_weight, expected)
    data = tf.data.Dataset.from_tensor_slices((X, y)).batch(7)
    (batch,) = Batches(data, class_weight={0: 2.0, 1: 0.0})
    np.testing.assert_array_equal(batch.sample_weight, expected)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ((X, Y[:3]), {}, "same number of samples. Received: 3, 7"),
        ((X[:0], Y[:0]), {}, "empty"),
        ((np.float32(1),), {}, "array of samples"),
        ((np.array([{}, {}]),), {}, "Python objects"),
        ((iter([X]),), {}, "read only once"),
        ((tf.data.Dataset.range(2).repeat(),), {}, "infinite"),
        ((tf.data.Dataset.range(2), Y), {}, "Pass the data set alone"),
        (
            (tf.data.Dataset.range(2),),
            {"batch_size": 2},
            "Leave `batch_size` out",
        ),
        ((3,), {}, "keras.utils.PyDataset"),
        (
            (X, Y),
            {"class_weight": {0: 1.0}, "sample_weight": WEIGHTS},
            "exclude each other",
        ),
        ((X, X[:, None]), {"class_weight": {0: 1.0}}, "one class per sample"),
        ((X, Y), {"class_weight": {0: 0.0}}, "positive for one class"),
    ],
)
def test_what_is_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        Batches(*data, **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tf.data.Dataset.range(2), "Call `.batch"),
        (tf.data.Dataset.range(0).batch(2), "yields no samples"),
    ],
)
def test_what_is_refused_when_it_is_read(data, message):
    batches = Batches(data)
    with pytest.raises(ValueError, match=message):
        list(batches)


def test_none_at_the_end_is_left_out():
    assert as_yielded(X, None, None) is X
    assert len(as_yielded(X, Y, None)) == 2
    assert len(as_yielded(X, None, WEIGHTS)) == 3
