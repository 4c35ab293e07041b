"""Small networks and data on which the training loop is tested."""

import keras
import numpy as np
import pytest

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def blobs():
    """(x, y): 50 points of three well separated classes, float32 and int64."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 50)
    centres = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]])
    x = centres[y] + rng.normal(size=(50, 4))
    return x.astype("float32"), y


@pytest.fixture
def images():
    """(x, y): 60 pictures of bytes, 8 x 8 x 1, and four classes."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (60, 8, 8, 1), dtype="uint8"), np.arange(60) % 4


@pytest.fixture
def make_classifier():
    """Makes a compiled network for `blobs`, always with the same weights."""

    def make(optimizer="adam", *, dropout=0.0, metrics=("accuracy",)):
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((4,)),
                # A bias before BN has a gradient of nothing but rounding error.
                layers.Dense(8, use_bias=False, kernel_initializer=glorot(1)),
                layers.BatchNormalization(),
                # Keeps `jit_compile="auto"` from XLA, whose compilation would
                # take most of the tests' time.
                layers.PReLU(),
                layers.Dropout(dropout),
                layers.Dense(3, kernel_initializer=glorot(2)),
            ]
        )
        model.compile(optimizer, LOGITS_LOSS, metrics=list(metrics))
        return model

    return make


@pytest.fixture
def make_convnet():
    """Makes a compiled convolutional network with dropout for `images`."""

    def make(optimizer="adam"):
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(6, 3, kernel_initializer=glorot(1)),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.SpatialDropout2D(0.2),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(4, kernel_initializer=glorot(2)),
            ]
        )
        model.compile(optimizer, LOGITS_LOSS, metrics=["accuracy"])
        return model

    return make


def glorot(seed):
    return keras.initializers.GlorotUniform(seed=seed)


@pytest.fixture
def assert_same_bits():
    """Asserts that two trained models and their histories agree in all bits."""

    def check(model, history, other_model, other_history):
        variables = [*model.variables, *model.optimizer.variables]
        others = [*other_model.variables, *other_model.optimizer.variables]
        assert len(variables) == len(others)
        for one, other in zip(variables, others, strict=True):
            np.testing.assert_array_equal(np.array(one), np.array(other))
        frame, other_frame = history.to_frame(), other_history.to_frame()
        assert list(frame) == list(other_frame)
        for name in set(frame) - {"seconds"}:
            np.testing.assert_array_equal(frame[name], other_frame[name])
        assert history.num_updates == other_history.num_updates
        assert history.stop_reason == other_history.stop_reason

    return check
