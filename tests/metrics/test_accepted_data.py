"""Data that `model.evaluate` takes, against it and against tapes by hand."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf

from keras_sharpness.metrics import (
    FisherOperator,
    GaussNewtonOperator,
    Objective,
    sampling_error,
)
from keras_sharpness.metrics.hard_samples import HardSamples
from tests.metrics.nested_tapes import check_against_tapes

layers, ops = keras.layers, keras.ops
SPARSE = keras.losses.SparseCategoricalCrossentropy


def sequential(*parts):
    keras.utils.set_random_seed(1)
    return keras.Sequential(list(parts))


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("ignored", "dtype", "shape"),
    [
        (255, "uint8", (22, 5, 1)),
        (-100, "int64", (22, 5)),
        (0, "int8", (22, 5)),
    ],
)
@pytest.mark.parametrize("from_logits", [True, False])
def test_ignored_classes_count_neither_in_loss_nor_accuracy(
    ignored, dtype, shape, from_logits
):
    x = numbers(22, 5, 3)
    y = np.random.default_rng(1).integers(0, 3, shape).astype(dtype)
    y[:13, :2] = ignored
    model = sequential(
        keras.Input((5, 3)),
        layers.Dense(4, "tanh"),
        layers.Dense(3, None if from_logits else "softmax"),
    )
    loss = SPARSE(from_logits=from_logits, ignore_class=ignored)
    model.compile("sgd", loss)
    check_against_tapes(Objective(model, x, y), lambda: loss(y, model(x)))
    # Batches differ in how many entries they hold: 8 divides none of them.
    for options in ({}, {"loss": loss}):
        found = Objective(model, x, y, batch_size=8, **options).evaluate()
        # Both sum float32 losses of some hundred entries.
        assert found["loss"] == pytest.approx(
            model.evaluate(x, y, batch_size=8, verbose=0), rel=1e-5
        )
        labels = y.reshape(22, 5).astype(int)
        valid = labels != ignored
        predicted = np.argmax(model.predict(x, verbose=0), axis=-1)
        assert found["accuracy"] == pytest.approx(
            np.mean(predicted[valid] == labels[valid]), abs=1e-12
        )


def test_matrices_where_a_class_is_ignored():
    x, y = numbers(12, 3), np.arange(12) % 3
    y[:5] = 7
    model = sequential(keras.Input((3,)), layers.Dense(3))
    model.compile("sgd", SPARSE(from_logits=True, ignore_class=7))
    objective = Objective(model, x, y)
    vector = numbers(objective.size)
    # Outputs linear in the weights: Gauss-Newton, Fisher and Hessian agree.
    hessian = objective.hessian_product(vector)
    for operator in (GaussNewtonOperator(objective), FisherOperator(objective)):
        # float32: 1e-7 per operation, some ten in a row.
        assert np.allclose(operator @ vector, hessian, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="masked outputs and ignored classes"):
        FisherOperator(objective, method="monte-carlo") @ vector


def test_other_labels_than_the_ignored_one_are_refused():
    model = sequential(keras.Input((3,)), layers.Dense(3))
    model.compile("sgd", SPARSE(from_logits=True, ignore_class=255))
    with pytest.raises(ValueError, match="or 255, which it ignores"):
        Objective(model, numbers(2, 3), np.array([255, 3]))
    model.compile("sgd", SPARSE(from_logits=True))
    with pytest.raises(ValueError, match="ignore_class="):
        Objective(model, numbers(2, 3), np.array([255, 1]))


def test_masked_steps_do_not_count_in_the_accuracy():
    generator = np.random.default_rng(0)
    x, y = generator.integers(1, 9, (12, 6)), generator.integers(0, 4, (12, 6))
    for row, length in zip(
        x, [1, 1, 1, 1, 6, 6, 6, 6, 2, 2, 5, 5], strict=True
    ):
        row[length:] = 0
    model = sequential(
        keras.Input((6,), dtype="int32"),
        layers.Embedding(9, 3, mask_zero=True),
        layers.Dense(4, "softmax"),
    )
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    found = Objective(model, x, y, batch_size=5).evaluate()
    right = model.evaluate(x, y, batch_size=5, verbose=0)
    # Both sum float32 losses of some ten entries.
    assert [found["loss"], found["accuracy"]] == pytest.approx(right, rel=1e-5)


def masked_error(y, y_pred):
    known = ops.logical_not(ops.isnan(y))
    error = (ops.where(known, y, 0.0) - y_pred) ** 2
    return ops.mean(ops.where(known, error, 0.0), axis=-1)


class Imputation(layers.Layer):
    def call(self, x):
        return ops.where(ops.isnan(x), 0.0, x)


def with_gaps(array):
    array = array.copy()
    array[np.random.default_rng(1).random(array.shape) < 0.3] = np.nan
    return array


def test_missing_values_that_model_and_loss_mask():
    x, y = with_gaps(numbers(20, 4)), with_gaps(numbers(20, 3))
    model = sequential(
        keras.Input((4,)),
        Imputation(),
        layers.Dense(5, "tanh"),
        layers.Dense(3),
    )
    model.compile("sgd", masked_error)
    check_against_tapes(
        Objective(model, x, y), lambda: ops.mean(masked_error(y, model(x)))
    )
    own = Objective(
        model,
        x,
        y,
        loss_fn=lambda m, batch: masked_error(batch[1], m(batch[0])),
    )
    # Sums of twenty float32 numbers.
    assert own.value() == pytest.approx(
        model.evaluate(x, y, verbose=0), rel=1e-5
    )


def masked_too_late(y, y_pred):
    error = (y - y_pred) ** 2
    return ops.where(ops.isnan(error), 0.0, error)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        ("mse", {}, "`y` holds NaN or infinity in 3 entries, and the loss"),
        (
            "mse",
            {"sample_weight": np.arange(20) > 2},
            "sample weight of 0 does not",
        ),
        (masked_too_late, {}, "gradient is NaN in 31 of 31 .* `ops.where"),
        (
            masked_error,
            {"sample_weight": np.full(20, np.nan)},
            "`sample_weight`",
        ),
    ],
)
def test_missing_values_that_reach_the_loss_are_named(loss, options, message):
    y = numbers(20, 1)
    y[:3] = np.nan
    model = sequential(
        keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(1)
    )
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match=message):
        Objective(
            model, numbers(20, 4), y, check_repeatability=False, **options
        )


def square(y, y_pred):
    return ops.mean((y - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize(
    ("y_shape", "outputs"),
    [
        ((20,), [layers.Dense(1)]),
        ((20, 1), [layers.Dense(1), layers.Reshape(())]),
        ((20, 1, 1), [layers.Dense(1)]),
        ((20, 4), [layers.Dense(4), layers.Reshape((4, 1))]),
        ((20, 4, 1), [layers.Dense(4)]),
    ],
)
def test_targets_of_another_rank(y_shape, outputs):
    x = numbers(20, 4)
    model = sequential(
        keras.Input((4,)),
        layers.Dense(5, "tanh"),
        *[type(layer).from_config(layer.get_config()) for layer in outputs],
    )
    for loss in ("mse", square, "binary_crossentropy"):
        y = numbers(*y_shape)
        if loss == "binary_crossentropy":
            y, loss = y > 0, keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        right = model.evaluate(x, y, verbose=0)
        for options in ({}, {"loss": loss}):
            found = Objective(model, x, y, **options).evaluate()
            # Sums of up to eighty float32 numbers.
            assert found["loss"] == pytest.approx(right, rel=1e-5)
    predicted = model.predict(x, verbose=0).ravel() > 0
    assert found["accuracy"] == pytest.approx(
        np.mean(predicted == y.ravel()), abs=1e-12
    )


@pytest.mark.parametrize("y_shape", [(20,), (20, 1), (20, 1, 3)])
def test_targets_that_would_be_broadcast_are_refused(y_shape):
    inputs = keras.Input((4,))
    one = layers.Dense(3, name="one")(inputs)
    two = layers.Dense(3, name="two")(inputs)
    model = keras.Model(inputs, {"one": one, "two": two})
    x, y = numbers(20, 4), numbers(20, 3)
    with pytest.raises(ValueError, match=r"`y\['two'\]` has shape"):
        Objective(
            model,
            x,
            {"one": y, "two": numbers(*y_shape)},
            loss={"one": "mse", "two": "mse"},
        )


WORDS = np.array([["red"], ["green"], ["blue"], ["pink"], ["red"]] * 4)


def word_model(**options):
    words = keras.Input((1,), dtype="string", name="words")
    size = keras.Input((2,), name="size")
    keras.utils.set_random_seed(1)
    vocabulary = layers.StringLookup(vocabulary=["red", "green", "blue"])
    parts = [
        layers.Flatten()(layers.Embedding(4, 3)(vocabulary(words))),
        layers.Flatten()(layers.Embedding(5, 2)(layers.Hashing(5)(words))),
        size,
    ]
    logits = layers.Dense(3)(layers.Concatenate()(parts))
    model = keras.Model({"words": words, "size": size}, logits)
    model.compile("sgd", SPARSE(from_logits=True))
    return model


@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        WORDS.astype(object),
        tf.constant(WORDS),
        pd.DataFrame({"word": WORDS.ravel()}),
    ],
    ids=["str", "object", "tensor", "pandas"],
)
def test_texts(words):
    model, y = word_model(), np.arange(20) % 3
    objective = Objective(
        model, {"words": words, "size": numbers(20, 2)}, y, batch_size=8
    )
    tensors = {"words": tf.constant(WORDS), "size": tf.constant(numbers(20, 2))}
    check_against_tapes(
        objective, lambda: SPARSE(from_logits=True)(y, model(tensors))
    )
    error = sampling_error(
        objective, lambda o: o.value(), num_replicates=2, progress=False
    )
    assert np.all(np.isfinite(error.replicates))


def test_products_of_texts_where_they_are_cut_and_compiled():
    # Large enough for XLA, for stages and for a search on hard samples.
    words = np.random.default_rng(0).choice(["red", "green", "blue"], (2000, 1))
    y = np.random.default_rng(1).integers(0, 3, 2000)
    model = sequential(
        keras.Input((1,), dtype="string"),
        layers.StringLookup(vocabulary=["red", "green", "blue"]),
        layers.Embedding(4, 300),
        layers.Flatten(),
        layers.Dense(500, "tanh"),
        layers.Dense(3),
    )
    loss = SPARSE(from_logits=True)
    model.compile("sgd", loss)
    objective = Objective(model, words, y)
    assert HardSamples.applies_to(objective)
    tensors = tf.constant(words)
    check_against_tapes(objective, lambda: loss(y, model(tensors)))


class Bag(layers.Layer):
    def build(self, shape):
        del shape
        self.table = self.add_weight(shape=(8, 3), initializer="normal")

    def call(self, words):
        rows = tf.gather(tf.convert_to_tensor(self.table), words)
        return tf.reduce_mean(rows, axis=1)

    def compute_output_shape(self, shape):
        return (shape[0], 3)


# TensorFlow of the gradient of a look-up, which is sparse.
@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
def test_ragged_tensors():
    rows = tf.ragged.constant([[1, 2, 3], [4], [5, 6], [1, 1, 7, 1]] * 4)
    y = np.array([0, 1, 0, 1] * 4)
    inputs = keras.Input((None,), dtype="int32", ragged=True)
    keras.utils.set_random_seed(1)
    model = keras.Model(inputs, layers.Dense(2)(Bag()(inputs)))
    loss = SPARSE(from_logits=True)
    model.compile("sgd", loss)
    dataset = tf.data.Dataset.from_tensor_slices((rows, y)).batch(5)
    check_against_tapes(Objective(model, dataset), lambda: loss(y, model(rows)))
    objective = Objective(model, rows, y, batch_size=5)
    check_against_tapes(objective, lambda: loss(y, model(rows)))
    error = sampling_error(
        objective, lambda o: o.value(), num_replicates=2, progress=False
    )
    assert np.all(np.isfinite(error.replicates))


@pytest.mark.parametrize(
    "convert", [scipy.sparse.csr_matrix, tf.sparse.from_dense]
)
def test_sparse_matrices(convert):
    x = numbers(20, 6) * (numbers(20, 6) > 0.5)
    y = np.arange(20) % 2
    model = sequential(
        keras.Input((6,), sparse=True),
        layers.Dense(4, "tanh"),
        layers.Dense(2),
    )
    loss = SPARSE(from_logits=True)
    model.compile("sgd", loss)
    check_against_tapes(
        Objective(model, convert(x), y, batch_size=8),
        lambda: loss(y, model(x)),
    )


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2, 3], [4]],
        [np.array([1, 2, 3]), np.array([4])],
        np.array([[1, 2], [3]], dtype=object),
    ],
    ids=["lists", "arrays", "objects"],
)
def test_uneven_sequences_are_pointed_to_ragged_tensors(x):
    model = sequential(keras.Input((3,)), layers.Dense(2, "softmax"))
    with pytest.raises(ValueError, match=r"tf.ragged.constant.*pad_sequences"):
        Objective(
            model, x, np.array([0, 1]), loss="sparse_categorical_crossentropy"
        )


class LikeAnArray:
    """An array of another library."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __array__(self, dtype=None, copy=None):
        return self._values


@pytest.mark.parametrize(
    "convert",
    [
        functools.partial(np.asarray, dtype=bool),
        functools.partial(np.asarray, dtype="uint8"),
        functools.partial(np.asarray, dtype="float16"),
        pd.Series,
        LikeAnArray,
        tf.constant,
    ],
    ids=["bool", "uint8", "float16", "pandas", "other", "tensor"],
)
def test_labels_of_any_kind(convert):
    x, y = numbers(20, 4), np.arange(20) % 2
    model = sequential(keras.Input((4,)), layers.Dense(2, "softmax"))
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    found = Objective(model, x, convert(y)).evaluate()
    right = model.evaluate(x, y, verbose=0)
    # Sums of twenty float32 numbers.
    assert [found["loss"], found["accuracy"]] == pytest.approx(right, rel=1e-5)


def test_a_loss_that_keras_chooses_is_asked_for():
    model = sequential(keras.Input((4,)), layers.Dense(2, "softmax"))
    model.compile("sgd", "crossentropy")
    with pytest.raises(ValueError, match="'sparse_categorical_crossentropy'"):
        Objective(model, numbers(4, 4), np.arange(4) % 2)
