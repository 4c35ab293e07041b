"""What is known of a loss, its mean and the accuracy, against NumPy."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.loss.losses import accuracy, loss_specification

losses, ops = keras.losses, keras.ops
RNG = np.random.default_rng(0)
Y, PREDICTED = RNG.standard_normal((2, 5, 3))
WEIGHTS = np.array([0.0, 1.0, 2.0, 3.0, 4.0])


def error(y, y_pred):
    return ops.mean((y - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize("loss", ["mse", error, losses.MeanSquaredError()])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_mean(loss, weights, float64):
    if isinstance(loss, losses.Loss):
        # Made of the default dtype of now.
        loss = losses.MeanSquaredError()
    found = loss_specification(loss).mean(Y, ops.array(PREDICTED), weights)
    each = np.mean((Y - PREDICTED) ** 2, axis=1)
    # Some ten roundings; weights do not divide.
    factor = 1.0 if weights is None else weights
    assert float(found) == pytest.approx(np.mean(factor * each), rel=1e-14)


def test_several_outputs_are_added_up(float64):
    nested = {"a": "mse", "b": error}
    specification = loss_specification(nested)
    values = {"a": ops.array(PREDICTED), "b": ops.array(2 * PREDICTED)}
    targets = {"a": Y, "b": Y}
    expected = np.mean((Y - PREDICTED) ** 2) + np.mean((Y - 2 * PREDICTED) ** 2)
    found = specification.mean(targets, values, None)
    assert float(found) == pytest.approx(expected, rel=1e-14)
    # By the names of the outputs, where the model returns a list.
    found = specification.mean(
        list(targets.values()), list(values.values()), None, ["a", "b"]
    )
    assert float(found) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("loss", "kind", "from_logits", "ignored"),
    [
        (
            losses.SparseCategoricalCrossentropy(True, ignore_class=3),
            "sparse",
            True,
            3,
        ),
        (losses.CategoricalCrossentropy(), "categorical", False, None),
        (losses.CategoricalCrossentropy(axis=1), None, False, None),
        ("binary_crossentropy", "binary", False, None),
        ("mse", None, False, None),
        (error, None, False, None),
    ],
)
def test_what_is_known(loss, kind, from_logits, ignored):
    found = loss_specification(loss)
    assert found.accuracy_kind == kind
    assert found.from_logits == from_logits
    assert found.ignored_class == ignored


def test_whose_it_is():
    for loss in ("mse", losses.Huber(), {"a": "mse", "b": "mae"}):
        assert loss_specification(loss).is_of_keras
    for loss in (error, {"a": "mse", "b": error}, None):
        assert not loss_specification(loss).is_of_keras


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (losses.MeanSquaredError(reduction="sum"), "cut into batches"),
        ("crossentropy", "Say which"),
        ({}, "a loss for each output"),
        ("no such loss", "no such loss"),
    ],
)
def test_what_is_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        loss_specification(loss)


LABELS = np.array([0, 2, 1, 1, 9])


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_accuracy_of_class_numbers(shape):
    loss = losses.SparseCategoricalCrossentropy(ignore_class=9)
    share, count = accuracy(
        loss_specification(loss), LABELS.reshape(shape), ops.array(PREDICTED)
    )
    hits = PREDICTED[:4].argmax(1) == LABELS[:4]
    assert float(share) == hits.mean()
    assert float(count) == 4


def test_accuracy_of_one_hot_labels_and_masks():
    predicted = ops.array(PREDICTED)
    predicted._keras_mask = ops.array([True, False, True, True, True])
    share, count = accuracy(
        loss_specification(losses.CategoricalCrossentropy()), Y, predicted
    )
    hits = PREDICTED.argmax(1) == Y.argmax(1)
    assert float(share) == np.delete(hits, 1).mean()
    assert float(count) == 4


@pytest.mark.parametrize(("from_logits", "threshold"), [(0, 0.5), (1, 0.0)])
def test_accuracy_of_two_classes(from_logits, threshold):
    outputs = np.array([[-0.3], [0.3], [0.6], [0.9]])
    labels = np.array([0, 1, 1, 0])
    loss = losses.BinaryCrossentropy(from_logits=bool(from_logits))
    share, _ = accuracy(loss_specification(loss), labels, ops.array(outputs))
    hits = (outputs[:, 0] > threshold) == labels
    assert float(share) == hits.mean()
