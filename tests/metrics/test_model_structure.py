"""A model that changes after an Objective was made of it."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics import HessianOperator

layers = keras.layers
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 4)), rng.standard_normal((12, 3))


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, "tanh", name="base"),
            layers.BatchNormalization(scale=False, center=False, name="norm"),
            layers.Dense(3, name="head"),
        ]
    )
    model.compile("sgd", "mse")
    return model


def unfreeze(model):
    model.get_layer("base").trainable = True


def freeze(model):
    model.get_layer("head").trainable = False


def grow(model):
    model.add(layers.Activation("tanh"))


def shrink(model):
    model.pop()


def low_rank(model):
    model.get_layer("head").enable_lora(1)


def quantise(model):
    model.get_layer("base").quantize("int8")


def mix_precisions(model):
    model.get_layer("head").dtype_policy = "mixed_bfloat16"


CHANGES = {
    unfreeze: "trainable now are sequential.*/base/kernel, .*base/bias",
    freeze: "no longer trainable are sequential.*/head/kernel",
    grow: "it has the new layers activation",
    shrink: "it lacks the layers head",
    low_rank: "lora_kernel_a",
    quantise: "base",
    mix_precisions: "layers have another dtype policy",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("keep", [False, True])
def test_every_door_says_what_changed(change, keep):
    model = network()
    model.get_layer("base").trainable = False
    objective = ks.Objective(model, X, Y, keep_activations=keep)
    w, v = objective.weights, np.ones(objective.size)
    operator = HessianOperator(objective)
    operator @ v
    change(model)
    doors = [
        objective.value,
        lambda: objective.value(w),
        objective.gradient,
        lambda: objective.hessian_product(v),
        lambda: objective.weights,
        lambda: operator @ v,
        lambda: HessianOperator(objective) @ v,
        lambda: ks.epsilon_sharpness(objective, epsilon=0.1, progress=False),
        lambda: ks.interpolate(
            objective, w, 0 * w, alphas=[0.5], progress=False
        ),
    ]
    for door in doors:
        with pytest.raises(RuntimeError, match="Make a new Objective") as error:
            door()
        error.match(CHANGES[change])


def test_a_change_that_is_taken_back_is_none():
    model = network()
    objective = ks.Objective(model, X, Y)
    before = objective.value()
    freeze(model)
    with pytest.raises(RuntimeError, match="has changed"):
        objective.value()
    model.get_layer("head").trainable = True
    assert objective.value() == before


@pytest.mark.parametrize("mode", ["inference", "batch", "recalibrate"])
def test_normalisation_without_weights_that_is_frozen(mode):
    """It has no trainable weights, and other statistics are used all the same.

    At inference they are its moving ones in any case.
    """
    model = network()
    objective = ks.Objective(model, X, Y, batch_norm=mode)
    model.get_layer("norm").trainable = False
    if mode == "inference":
        objective.value()
        return
    with pytest.raises(RuntimeError, match="frozen or unfrozen"):
        objective.value()


@pytest.mark.parametrize("loss", ["mae", None])
def test_the_loss_stays_that_of_before(loss, float64):
    model = network()
    objective = ks.Objective(model, X, Y)
    v = np.ones(objective.size)
    found = ks.Objective(model, X, Y)
    expected = [objective.value(), objective.hessian_product(v)]
    model.compile("sgd", loss)
    compiled = model._compile_loss
    # What is traced now, too.
    assert found.value() == pytest.approx(expected[0], rel=1e-13)
    error = np.linalg.norm(found.hessian_product(v) - expected[1])
    assert error < 1e-12 * np.linalg.norm(expected[1])
    assert model._compile_loss is compiled


def test_operators_hold_the_statistics_of_their_point(float64):
    model = network()
    objective = ks.Objective(model, X, Y)
    v = np.ones(objective.size)
    early, late = HessianOperator(objective), HessianOperator(objective)
    expected = early @ v
    model.get_layer("norm").moving_variance.assign(np.full(5, 9.0))
    model.get_layer("head").bias.assign(np.full(3, 2.0))
    for operator in (early, late):
        assert np.array_equal(operator @ v, expected)
    # The objective itself stands where the model does.
    assert not np.allclose(objective.hessian_product(v), expected, rtol=0.1)
