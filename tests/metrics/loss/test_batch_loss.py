"""The loss of one batch at given weights, against NumPy."""

import collections

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.loss.batch_loss import BatchLoss, build_on
from keras_sharpness.metrics.loss.losses import loss_specification

layers, ops = keras.layers, keras.ops
RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))
KERNEL = RNG.standard_normal((3, 2))
LABELS = np.array([0, 1, 1, 0, 1, 0])
WEIGHTS = np.arange(6.0)


def network(**options):
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, use_bias=False, **options)]
    )


def batch_loss(model, loss="mse", **options):
    options = {
        "is_compiled": False,
        "regularization": True,
        "batch_norm": "inference",
        **options,
    }
    return BatchLoss(model, loss_specification(loss), **options)


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def losses_by_hand():
    logits = X @ KERNEL
    scale = np.log(np.exp(logits).sum(axis=1))
    return scale - logits[np.arange(6), LABELS]


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_value_at_other_weights_than_the_models(weights, float64):
    model = network()
    before = model.get_weights()
    found = batch_loss(model, cross_entropy()).value(
        [ops.array(KERNEL)], [], X, LABELS, weights
    )
    factor = 1.0 if weights is None else weights
    # Some ten roundings.
    expected = np.mean(factor * losses_by_hand())
    assert float(found) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_accuracy_comes_with_it(float64):
    found = batch_loss(network(), cross_entropy()).evaluate(
        [ops.array(KERNEL)], [], X, LABELS, None
    )
    hits = (X @ KERNEL).argmax(axis=1) == LABELS
    assert float(found["accuracy"]) == hits.mean()
    assert float(found["counted"]) == 6


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("regularization", [True, False])
def test_penalties(is_compiled, regularization, float64):
    model = network(kernel_regularizer=keras.regularizers.L2(0.5))
    model.compile("sgd", "mse")
    found = batch_loss(
        model, is_compiled=is_compiled, regularization=regularization
    ).value([ops.array(KERNEL)], [], X, X[:, :2], None)
    expected = np.mean((X @ KERNEL - X[:, :2]) ** 2)
    expected += regularization * 0.5 * np.sum(KERNEL**2)
    assert float(found) == pytest.approx(expected, rel=1e-14)


def own(model, batch):
    x, y = batch
    return ops.mean(ops.abs(model(x) - y), axis=-1)


def test_a_function_of_model_and_batch(float64):
    found = batch_loss(network(), loss_fn=own).value(
        [ops.array(KERNEL)], [], X, X[:, :2], None
    )
    expected = np.mean(np.abs(X @ KERNEL - X[:, :2]))
    assert float(found) == pytest.approx(expected, rel=1e-14)


def test_losses_of_entries_are_refused(float64):
    loss = batch_loss(network(), loss_fn=lambda model, batch: model(batch[0]))
    with pytest.raises(ValueError, match=r"Received: shape \(6, 2\)"):
        loss.value([ops.array(KERNEL)], [], X, LABELS, None)


def test_outputs_of_a_function_are_not_known():
    loss = batch_loss(network(), loss_fn=own)
    with (
        pytest.raises(ValueError, match="Use the Hessian"),
        loss.forward([ops.array(KERNEL)], [], X, LABELS),
    ):
        pass


def test_check_counts_samples_and_missing_values():
    y = np.full((6, 2), np.nan)
    loss = batch_loss(network())
    assert loss.check(Batches(X, y, batch_size=4)) == 6
    assert loss.missing == collections.Counter(y=12)


@pytest.mark.parametrize(
    ("x", "message"),
    [(X[:, :2], "The data do not fit model"), (X, "entry by entry")],
)
def test_data_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        batch_loss(network()).check(Batches(x, np.zeros(6)))


def test_whether_a_model_takes_a_batch():
    loss = batch_loss(network())
    assert loss.runs_on(next(iter(Batches(X, LABELS))))
    assert not loss.runs_on(next(iter(Batches(X[:, :2], LABELS))))


def test_weights_are_built_on_the_first_batch():
    model = keras.Sequential([layers.Dense(2)])
    build_on(Batches(X, LABELS), model, None)
    assert [v.shape for v in model.trainable_variables] == [(3, 2), (2,)]
