"""Models are told apart by what they compute."""

import json

import keras

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
