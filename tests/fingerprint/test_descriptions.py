"""Trainings are told apart by what they are, not by what things are called."""

import functools
import json

import keras
import numpy as np
import pytest

from keras_sharpness.fingerprint import descriptions


def network(*, rate=0.5, units=2, seed=1, activation="relu"):
    inner = keras.Sequential(
        [
            keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.HeNormal(seed),
            ),
            keras.layers.Dropout(rate),
        ]
    )
    return keras.Sequential([keras.Input((3,)), inner])


def test_models():
    base = descriptions.describe_model(network())
    assert base == descriptions.describe_model(network())
    for change in (
        {"rate": 0.4},
        {"units": 3},
        {"seed": 2},
        {"activation": "tanh"},
    ):
        assert base != descriptions.describe_model(network(**change))
    frozen = network()
    frozen.layers[0].trainable = False
    assert base != descriptions.describe_model(frozen)


def joined(way):
    """Two layers of one shape, joined in different ways."""
    inputs = keras.Input((3,)), keras.Input((3,))
    first, second = (keras.layers.Dense(3) for _ in range(2))
    a, b = first(inputs[0]), second(inputs[1])
    outputs = {
        "difference": lambda: keras.layers.Subtract()([a, b]),
        "other difference": lambda: keras.layers.Subtract()([b, a]),
        "sum": lambda: keras.layers.Add()([a, b]),
        "operation": lambda: keras.ops.multiply(a, b),
        "other operation": lambda: keras.ops.divide(a, b),
        "constant": lambda: keras.ops.multiply(a, 2.0) + b,
        "other constant": lambda: keras.ops.multiply(a, 3.0) + b,
        "deep": lambda: first(a) + b,
        "other deep": lambda: second(a) + b,
        "two outputs": lambda: [a, b],
        "other two outputs": lambda: [b, a],
    }[way]()
    return keras.Model(inputs, outputs)


def test_the_ways_between_layers():
    ways = ["difference", "sum", "operation", "constant", "deep", "two outputs"]
    ways += [f"other {way}" for way in ways if way != "sum"]
    describe = descriptions.describe_model
    found = [json.dumps(describe(joined(way))) for way in ways]
    assert len(set(found)) == len(ways)
    # Made again in one process Keras gives other names.
    assert found == [json.dumps(describe(joined(way))) for way in ways]


def recurrent():
    return keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.Bidirectional(keras.layers.LSTM(2)),
            keras.layers.Dense(1),
        ]
    )


def test_numbers_in_names_do_not_count():
    describe = descriptions.describe_model
    first = recurrent()
    # Keras counts what lies inside of a layer, too.
    assert first.layers[0].forward_layer.name != (
        recurrent().layers[0].forward_layer.name
    )
    assert describe(first) == describe(recurrent())


def test_functions_count_by_what_they_do():
    def make(code, **names):
        space = {"keras": keras, "np": np, "__name__": "of_a_user", **names}
        exec(f"def loss(y, p):\n    return {code}", space)
        return space["loss"]

    def kept(factor):
        return lambda y, p: factor * (y - p) ** 2

    describe = descriptions.describe_loss
    base = describe(make("(y - p) ** 2"))
    assert base == describe(make("(  y - p) ** 2  # again, two lines below"))
    assert base != describe(make("(y - p) ** 4"))
    assert base != describe(make("abs(y - p) ** 2"))
    # What it reads elsewhere.
    code = "factor * (y - p)"
    assert describe(make(code, factor=1)) == describe(make(code, factor=1))
    assert describe(make(code, factor=1)) != describe(make(code, factor=2))
    arrays = [np.arange(3.0), np.arange(3.0) + 1]
    one, other = (describe(make(code, factor=array)) for array in arrays)
    assert one != other
    code = "helper(y, p)"
    helpers = [make("y - p"), make("y + p")]
    one, other = (describe(make(code, helper=helper)) for helper in helpers)
    assert one != other
    assert describe(kept(1.0)) == describe(kept(1.0))
    assert describe(kept(1.0)) != describe(kept(2.0))
    partials = [functools.partial(squares, weight=w) for w in (1.0, 2.0)]
    assert describe(partials[0]) != describe(partials[1])
    # A package's function is told by its name.
    name = describe(keras.losses.mean_squared_error)
    assert name.endswith("mean_squared_error")


def own_loss(power):
    class Own(keras.losses.Loss):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        if power == 2:

            def call(self, y, p):
                return self.factor * (y - p) ** 2
        else:

            def call(self, y, p):
                return self.factor * (y - p) ** 4

    return Own


def test_own_classes_count_by_what_they_do():
    describe = descriptions.describe_loss
    base = describe(own_loss(2)(1.0))
    assert base == describe(own_loss(2)(1.0))
    assert base != describe(own_loss(4)(1.0))
    # `get_config` says nothing of it.
    assert base != describe(own_loss(2)(3.0))


def with_activation(activation):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.layers[0].activation = activation
    return descriptions.describe_model(model)


def test_functions_of_layers_count():
    def wave(x):
        return keras.ops.sin(x)

    def wider(x):
        return keras.ops.sin(2 * x)

    assert with_activation(wave) == with_activation(wave)
    assert with_activation(wave) != with_activation(wider)
    lambdas = [
        keras.Sequential([keras.Input((3,)), keras.layers.Lambda(function)])
        for function in (lambda x: x + 1, lambda x: x + 2)
    ]
    one, other = map(descriptions.describe_model, lambdas)
    assert one != other


def test_what_an_earlier_version_left_out_is_not_compared():
    new = {"model": descriptions.describe_model(network()), "loss": base_loss()}
    old = json.loads(json.dumps(new))
    old["model"]["layers"] = "0" * 32
    old["loss"] = new["loss"]["function"]
    assert descriptions.differences(old, new) == []
    old["loss"] = "another.loss"
    assert len(descriptions.differences(old, new)) == 1
    old = json.loads(json.dumps(new))
    (key,) = (key for key in old["loss"] if key.startswith("code"))
    old["loss"]["code, Python 2.7"] = old["loss"].pop(key)
    assert descriptions.differences(old, new) == []


def base_loss():
    return descriptions.describe_loss(squares)


def test_a_layer_that_cannot_be_described_counts_by_its_weights():
    class Odd(keras.layers.Layer):
        def __init__(self, thing):
            super().__init__()
            self.dense = keras.layers.Dense(thing.units)

        def call(self, x):
            return self.dense(x)

    class Thing:
        def __init__(self, units):
            self.units = units

    def describe(units):
        model = keras.Sequential([keras.Input((3,)), Odd(Thing(units))])
        return descriptions.describe_model(model)

    assert describe(2) == describe(2)
    assert describe(2) != describe(3)


def test_arrays():
    x = np.arange(6.0).reshape(2, 3)
    digest = descriptions.digest_arrays
    assert digest({"a": x, "b": None}) == digest({"a": x.copy(), "b": None})
    others = [x, {"b": x}, {"a": x.T}, {"a": x + 1}, {"a": x.astype("f4")}]
    assert len({digest(nest) for nest in [{"a": x}, *others]}) == 6
    assert digest(None) is None


def test_optimizers():
    describe = descriptions.describe_optimizer
    adam = keras.optimizers.Adam
    assert describe(adam(0.1)) == describe(adam(0.1, name="another"))
    assert describe(adam(0.1)) != describe(adam(0.1, beta_1=0.5))
    assert describe(adam()) != describe(keras.optimizers.Nadam())
    # Mixed precision wraps by itself at the second compilation.
    wrapped = keras.optimizers.LossScaleOptimizer(adam(0.1))
    assert describe(wrapped) == describe(adam(0.1))


def squares(y, y_pred, weight=1.0):
    return weight * (y - y_pred) ** 2


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        squares,
        lambda y, y_pred: y,
        keras.losses.Huber(0.5),
        ["mse", squares],
        {"a": "mse", "b": keras.losses.Huber(0.5)},
    ],
)
def test_losses_go_to_json(loss):
    description = descriptions.describe_loss(loss)
    assert json.loads(json.dumps(description)) == description


def test_differences_name_the_settings():
    old = {"a": 1, "b": {"c": 2, "d": 3}, "same": [1]}
    new = {"a": 2, "b": {"c": 2, "d": 4}, "same": [1], "e": 5}
    assert descriptions.differences(old, new) == [
        "a: 1, now 2",
        "b.d: 3, now 4",
        "e: None, now 5",
    ]
    assert descriptions.differences(old, old) == []
