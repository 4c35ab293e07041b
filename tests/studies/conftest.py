"""A study small enough to run in seconds, on data that are easy to learn."""

import keras
import numpy as np
import pytest

from keras_sharpness.data import ClassificationData
from keras_sharpness.studies import MeasurementPlan


@pytest.fixture(scope="session")
def blobs():
    """Three Gaussian clouds in the plane."""
    generator = np.random.default_rng(0)
    y = np.arange(120) % 3
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    x = (centres[y] + generator.standard_normal((120, 2))).astype("float32")
    return ClassificationData(
        name="blobs",
        x_train=x[:90],
        y_train=y[:90],
        x_test=x[90:],
        y_test=y[90:],
        num_classes=3,
        source="made by the test",
    )


@pytest.fixture(scope="session")
def build_model():
    """A function that builds a small compiled network."""

    def build():
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(8),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Dense(3),
            ],
            name="small",
        )
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        return model

    return build


@pytest.fixture(scope="session")
def plan():
    """Few measurements, all kinds."""
    return MeasurementPlan(epsilons=(1e-2,), subspace_dim=3, num_eigenvalues=1)
