"""What the loss is evaluated with at the points of a plane."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import (
    loss_surface,
    plane_through,
    random_plane,
)


class TestMovingStatistics:
    @pytest.fixture
    def models(self):
        """Three networks with normalisation whose statistics differ."""
        found = []
        for seed in range(3):
            keras.utils.set_random_seed(seed)
            model = keras.Sequential(
                [
                    keras.Input((3,)),
                    keras.layers.Dense(4),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dense(1),
                ]
            )
            mean, variance = model.non_trainable_variables
            rng = np.random.default_rng(seed)
            mean.assign(rng.standard_normal(4))
            variance.assign(rng.uniform(0.5, 2.0, 4))
            found.append(model)
        return found

    @pytest.fixture
    def data(self):
        rng = np.random.default_rng(9)
        return rng.standard_normal((16, 3)), rng.standard_normal((16, 1))

    def test_three_models_show_their_own_loss(self, float64, models, data):
        objective = ks.Objective(models[0], *data, loss="mse")
        plane = plane_through(objective, models)
        for model, (alpha, beta) in zip(models, plane.anchors, strict=True):
            surface = loss_surface(
                objective, plane, alphas=[alpha, 99], betas=[beta, 99]
            )
            own = ks.Objective(model, *data, loss="mse").value()
            # The coefficients come from a 3 x 3 system: some 1e-15.
            assert surface.loss[0, 0] == pytest.approx(own, rel=1e-12)
            assert np.isfinite(surface.loss).all()
        assert surface.moving_statistics == "plane"

    def test_of_the_centre_or_the_objective(self, float64, models, data):
        objective = ks.Objective(models[0], *data, loss="mse")
        own = ks.Objective(models[1], *data, loss="mse").value()
        options = {"num_points": 3}
        surface = loss_surface(objective, models[1], **options)
        assert surface.loss[1, 1] == pytest.approx(own, rel=1e-13)
        assert surface.moving_statistics == "plane"
        vector = np.concatenate(
            [np.ravel(v) for v in models[1].trainable_variables]
        )
        surface = loss_surface(objective, vector, **options)
        assert surface.loss[1, 1] == objective.value(vector)
        assert surface.moving_statistics == "objective"

    def test_recalibrated_and_batch(self, float64, models, data):
        for mode in ("recalibrate", "batch"):
            objective = ks.Objective(
                models[0], *data, loss="mse", batch_norm=mode
            )
            plane = random_plane(objective, models[1])
            surface = loss_surface(objective, plane, num_points=3)
            corner = objective.value(plane.point(1.0, -1.0))
            assert surface.loss[0, 2] == pytest.approx(corner, rel=1e-12)
            assert surface.moving_statistics == mode


def test_equals_direct_evaluation_of_a_large_network():
    """F1 on 1,000 digits, at 20 random points of the usual grid."""
    data = ks.data.load("mnist_5k")
    objective = ks.Objective(
        ks.models.F1(seed=0), data.x_train[:1000], data.y_train[:1000]
    )
    plane = random_plane(objective)
    rng = np.random.default_rng(0)
    alphas, betas = (
        np.sort(rng.choice(axis, count, replace=False))
        for axis, count in zip(plane.grid(25), (5, 4), strict=True)
    )
    surface = loss_surface(objective, plane, alphas=alphas, betas=betas)
    for row, column in np.ndindex(4, 5):
        w = plane.point(alphas[column], betas[row])
        there = objective.evaluate(w)
        # Weights that are rounded once more differ by 1e-7, and a loss of
        # 1,000 samples averages what that does to each.
        assert surface.loss[row, column] == pytest.approx(
            there["loss"], rel=1e-6
        )
        # A sample whose two largest logits are as close may change sides.
        assert surface.accuracy[row, column] == pytest.approx(
            there["accuracy"], abs=1e-3
        )
