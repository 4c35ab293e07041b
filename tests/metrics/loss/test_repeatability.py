"""What does not repeat is named: the data, or the layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.loss.repeatability import check_repeats

layers = keras.layers
X = np.ones((4, 3), "float32")


class Noise(layers.Layer):
    def call(self, x):
        return x + tf.random.normal((4, 3))


class Shuffled(keras.utils.PyDataset):
    """Other batches at every pass."""

    @property
    def num_batches(self):
        return 1

    def __getitem__(self, index):
        return np.random.default_rng().standard_normal((4, 3)), X[:, 0]


def model(*middle):
    return keras.Sequential([keras.Input((3,)), *middle, layers.Dense(1)])


def answers(*values):
    """Evaluations that return these losses and slopes in turn."""
    left = [(loss, np.array(slope)) for loss, slope in values]
    return lambda: left.pop(0)


def check(evaluate, *, of=None, data=X):
    batches = Batches(data) if data is not X else Batches(X, X[:, 0])
    check_repeats(evaluate, of or model(), batches, "float32")


def test_rounding_is_no_difference():
    # The square root of float32's precision is 3.5e-4.
    check(answers((1.0, [2.0]), (1.0 + 3e-4, [2.0006])))


@pytest.mark.parametrize(
    "second", [(1.0 + 4e-4, [2.0]), (1.0, [2.0009])], ids=["loss", "slope"]
)
def test_more_than_rounding_is_refused(second):
    with pytest.raises(ValueError, match="the model or its loss gives other"):
        check(answers((1.0, [2.0]), second))


def test_the_first_random_layer_is_named():
    noisy = model(layers.Dense(3), Noise(name="noise"), layers.Dense(3))
    with pytest.raises(ValueError, match="layer 'noise' gives other values"):
        check(answers((1.0, [2.0]), (2.0, [2.0])), of=noisy)


def test_data_that_change_are_named():
    with pytest.raises(ValueError, match="other batches at every pass"):
        check(answers((1.0, [2.0]), (2.0, [2.0])), data=Shuffled())


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="after it diverged"):
        check(answers((np.nan, [2.0]), (np.nan, [2.0])))
