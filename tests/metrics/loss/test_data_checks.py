"""Data that do not fit a loss are refused before anything is computed."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.loss.data_checks import check_batch, count_missing
from keras_sharpness.metrics.loss.losses import loss_specification

losses = keras.losses
SPARSE = losses.SparseCategoricalCrossentropy
LOGITS = np.zeros((1, 3), "float32")
SHARES = np.full((1, 3), 1 / 3, "float32")


def batch(y, sample_weight=None, x=None):
    x = np.zeros((4, 2), "float32") if x is None else x
    return Batch(x, y, sample_weight, 4)


def check(loss, y, output=SHARES, **options):
    check_batch(loss_specification(loss), batch(y, **options), output)


ONE_HOT = np.eye(3)[[0, 1, 2, 0]]
FITS = [
    (SPARSE(), np.array([0, 1, 2, 0]), SHARES),
    (SPARSE(), np.array([[0], [1], [2], [0]]), SHARES),
    (SPARSE(from_logits=True), np.array([0.0, 1.0, 2.0, 0.0]), 5 + LOGITS),
    (SPARSE(ignore_class=9), np.array([0, 9, 2, 9]), SHARES),
    (losses.CategoricalCrossentropy(), ONE_HOT, SHARES),
    (losses.BinaryCrossentropy(), ONE_HOT, SHARES),
    ("mse", np.zeros((4, 3)), LOGITS),
    ("mse", np.zeros(4), np.zeros((1, 1))),
    ("mse", np.full((4, 3), np.nan), LOGITS),
    (lambda y, y_pred: 0.0 * y_pred, np.zeros((4, 9)), LOGITS),
    ("ctc", np.zeros((4, 7)), LOGITS),
]
DOES_NOT_FIT = [
    (SPARSE(), np.array([0, 1, 3, 0]), SHARES, "from 0 to 2"),
    (SPARSE(), np.array([0, 1, -1, 0]), SHARES, "ignore_class="),
    (SPARSE(), np.array([0, 0.5, 1, 0]), SHARES, "whole numbers"),
    (SPARSE(), np.array([0, np.nan, 1, 0]), SHARES, "does not mask"),
    (SPARSE(), ONE_HOT, SHARES, "For one-hot targets"),
    (SPARSE(), np.zeros(4), 5 + LOGITS, "from_logits=True"),
    (losses.CategoricalCrossentropy(), np.zeros(4), SHARES, "class numbers"),
    (losses.BinaryCrossentropy(), 2 * ONE_HOT, SHARES, r"in \[0, 1\]"),
    ("mse", np.zeros(4), LOGITS, "compares them entry by entry"),
    ("mse", None, LOGITS, "needs targets"),
]


@pytest.mark.parametrize(("loss", "y", "output"), FITS)
def test_what_fits_passes(loss, y, output):
    check(loss, y, output)


@pytest.mark.parametrize(("loss", "y", "output", "message"), DOES_NOT_FIT)
def test_what_does_not_fit_is_refused(loss, y, output, message):
    with pytest.raises(ValueError, match=message):
        check(loss, y, output)


def test_weights_that_are_no_numbers_are_refused():
    weight = np.array([1.0, np.nan, np.inf, 1.0])
    with pytest.raises(ValueError, match=r"`sample_weight` .* in 2 entries"):
        check("mse", np.zeros((4, 3)), sample_weight=weight)


def test_one_of_several_outputs_is_named():
    specification = loss_specification({"a": "mse", "b": SPARSE()})
    targets = {"a": np.zeros((4, 3)), "b": np.array([0, 1, 7, 0])}
    outputs = {"a": LOGITS, "b": SHARES}
    with pytest.raises(ValueError, match=r"y\['b'\]"):
        check_batch(specification, batch(targets), outputs)
    # By the names of the outputs, where the model returns a list.
    with pytest.raises(ValueError, match=r"y\['b'\]"):
        check_batch(
            specification,
            batch(list(targets.values())),
            list(outputs.values()),
            ["a", "b"],
        )


def test_missing_values_are_counted():
    x = {"one": np.array([1.0, np.nan]), "two": np.array([np.inf, np.nan])}
    tensor = keras.ops.cast(np.array([np.nan, 1.0]), "bfloat16")
    assert count_missing(batch(tensor, x=x)) == {"x": 3, "y": 1}
    texts = np.array(["nan", "inf"])
    assert count_missing(batch(None, x=texts)) == {}
    assert count_missing(batch(np.array([1, 2]))) == {}
