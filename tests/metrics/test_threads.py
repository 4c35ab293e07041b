"""First products in several threads at once, which trace side by side."""

import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import HessianOperator, Objective

layers = keras.layers
# All that is replaced while a model is traced.
REPLACED = [
    (tf, "matmul"),
    (tf, "einsum"),
    (tf.nn, "max_pool"),
    (tf.nn, "convolution"),
    (tf.nn, "moments"),
]


def network(seed):
    """A network that calls each of the replaced functions."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Conv2D(3, 1, strides=2)(inputs)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.MaxPooling2D()(layers.ReLU()(hidden))
    hidden = layers.GroupNormalization(1)(hidden)
    hidden = layers.Reshape((4, 3))(hidden)
    hidden = layers.EinsumDense("abc,cd->abd", (4, 3))(hidden)
    hidden = layers.Flatten()(layers.Dense(2)(hidden))
    model = keras.Model(inputs, layers.Dense(3)(hidden))
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 8, 8, 1)).astype("float32")
    return x, rng.integers(0, 3, 12)


def at_once(*tasks):
    """What the tasks return, begun at once in a thread each."""
    gate = threading.Barrier(len(tasks))
    results, errors = {}, []

    def work(place, task):
        gate.wait()
        try:
            results[place] = task()
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=item) for item in enumerate(tasks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return [results[place] for place in range(len(tasks))]


def trained(data):
    model = network(9)
    model.fit(*data, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


def product(objective):
    block = np.random.default_rng(1).standard_normal((objective.size, 2))
    return HessianOperator(objective) @ block


def objective(model, data, **options):
    return Objective(model, *data, check_repeatability=False, **options)


@pytest.fixture
def frequent_switches():
    """Threads take turns every tenth of a millisecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_products_of_several_models(data):
    models = [network(seed) for seed in range(3)]
    before = [getattr(module, name) for module, name in REPLACED]
    training = trained(data)
    expected = [product(objective(model, data)) for model in models]
    found = at_once(
        *(lambda m=model: product(objective(m, data)) for model in models),
        lambda: trained(data),
    )
    assert [getattr(module, name) for module, name in REPLACED] == before
    # Trained with TensorFlow's own functions, to the bit.
    assert np.array_equal(found.pop(), training)
    assert np.array_equal(trained(data), training)
    for one, other in zip(found, expected, strict=True):
        # Float32; threads of TensorFlow add up in another order.
        assert np.max(np.abs(one - other)) < 1e-5 * np.max(np.abs(other))


@pytest.mark.parametrize("mode", ["inference", "recalibrate"])
def test_products_of_one_model(mode, data):
    model = network(0)
    expected = product(objective(model, data, batch_norm=mode))
    own = [sorted(vars(layer)) for layer in model._flatten_layers()]
    found = at_once(
        *(
            lambda: product(objective(model, data, batch_norm=mode))
            for _ in range(2)
        )
    )
    assert [sorted(vars(layer)) for layer in model._flatten_layers()] == own
    for one in found:
        assert np.max(np.abs(one - expected)) < 1e-5 * np.max(np.abs(expected))


def test_one_objective_at_different_points(data):
    """The second thread waits until the first one's point is left."""
    shared = objective(network(0), data)
    w = shared.weights
    expected = [shared.gradient(scale * w) for scale in (1.0, 0.5)]
    found = at_once(
        *(lambda s=scale: shared.gradient(s * w) for scale in (1.0, 0.5))
    )
    for one, other in zip(found, expected, strict=True):
        assert np.max(np.abs(one - other)) < 1e-5 * np.max(np.abs(other))
