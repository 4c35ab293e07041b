"""What is known of a model before it is called, and after."""

import keras
import numpy as np
import pytest

from keras_sharpness.models.first_call import (
    build,
    declared_batch_size,
    is_built,
)

X = np.ones((4, 3), "float32")


def test_sizes_of_batches_that_inputs_fix():
    layer = keras.layers.Dense(1)
    fixed = keras.Sequential([keras.Input(batch_shape=(8, 3)), layer])
    assert declared_batch_size(fixed) == 8
    free = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    assert declared_batch_size(free) is None
    assert declared_batch_size(keras.Sequential([layer])) is None


def test_weights_are_made_and_nothing_else():
    model = keras.Sequential(
        [
            keras.layers.Dense(2),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
        ]
    )
    assert not is_built(model)
    build(model, keras.ops.convert_to_tensor(X))
    assert is_built(model)
    # 3 · 2 + 2 of the dense layer, scale, shift, mean and variance of two.
    assert model.count_params() == 16
    _, norm, dropout = model.layers
    # A step of training would move them from where they begin.
    np.testing.assert_array_equal(norm.moving_mean, [0.0, 0.0])
    np.testing.assert_array_equal(norm.moving_variance, [1.0, 1.0])
    untouched = keras.layers.Dropout(0.5, seed=1).seed_generator.state
    np.testing.assert_array_equal(dropout.seed_generator.state, untouched)
    # Built for batches of any size.
    assert model(X[:1], training=False).shape == (1, 2)


class Counts(keras.Model):
    """Asks for the size of a batch, which only real data have."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x) * float(int(x.shape[0]))


def test_a_model_that_asks_for_the_size_is_built_on_the_batch():
    model = Counts()
    build(model, keras.ops.convert_to_tensor(X))
    assert model.dense.kernel.shape == (3, 2)


class Parts(keras.Model):
    """Has no `call`: its own training step would call its parts."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)


def test_parts_are_called_by_who_knows_them():
    model, x = Parts(), keras.ops.convert_to_tensor(X)
    with pytest.raises(ValueError, match=r"has no `call`\. Pass `loss_fn=`"):
        build(model, x)
    assert not is_built(model)
    build(model, x, lambda: model.dense(x))
    assert is_built(model)


def test_data_that_do_not_fit_are_named():
    model = keras.Sequential([keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match=r"`x` fails\. .* Received: Value"):
        build(model, keras.ops.convert_to_tensor(X))
