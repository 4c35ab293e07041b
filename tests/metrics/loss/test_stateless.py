"""A model at other weights, and its own afterwards."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.loss.stateless import CompiledLoss, model_at

layers, ops = keras.layers, keras.ops
X = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(2, name="dense"),
            layers.BatchNormalization(name="norm"),
        ]
    )
    model.compile("sgd", "mse")
    return model


def tensors(variables, factor=1.0):
    return [factor * ops.convert_to_tensor(v) for v in variables]


def test_weights_and_state_are_the_given_ones():
    model, twice = network(), network()
    for variable in twice.variables:
        variable.assign(2.0 * ops.convert_to_tensor(variable))
    before = model.get_weights()
    with model_at(
        model,
        tensors(model.trainable_variables, 2.0),
        tensors(model.non_trainable_variables, 2.0),
    ):
        found = model(X, training=False)
    np.testing.assert_array_equal(found, twice(X, training=False))
    assert not np.array_equal(found, model(X, training=False))
    for now, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, value)


def test_updates_land_in_the_scope():
    model = network()
    norm = model.get_layer("norm")
    before = np.array(norm.moving_mean)
    with model_at(
        model,
        tensors(model.trainable_variables),
        tensors(model.non_trainable_variables),
        use_batch_statistics=True,
    ) as scope:
        model(X, training=False)
    mean = np.mean(model.get_layer("dense")(X), axis=0)
    # The layer's momentum is 0.99; single precision.
    np.testing.assert_allclose(
        scope.get_current_value(norm.moving_mean), 0.01 * mean, rtol=1e-4
    )
    np.testing.assert_array_equal(norm.moving_mean, before)


def test_the_compiled_loss_is_as_before_though_it_is_built_inside():
    model = network()
    with model_at(
        model,
        tensors(model.trainable_variables),
        tensors(model.non_trainable_variables),
    ):
        y = model(X, training=False)
        model.compute_loss(X, y, y)
        assert model._compile_loss.built
    assert not model._compile_loss.built
    assert model._compile_loss.metrics == []


def test_another_compiled_loss_takes_its_place():
    model = network()
    own = model._compile_loss
    other = CompiledLoss(model)
    weights, state = (
        tensors(variables)
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
        )
    )
    with model_at(model, weights, state, compiled=other):
        assert model._compile_loss is not own
    assert model._compile_loss is own
    with (
        pytest.raises(KeyError),
        model_at(model, weights, state, compiled=other),
    ):
        raise KeyError
    assert model._compile_loss is own
