"""Surfaces against closed forms and direct evaluation."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import (
    Plane,
    loss_surface,
    random_plane,
    surface_stages,
)
from tests.conftest import precision


def test_a_quadratic_gives_the_exact_paraboloid(quadratic):
    """With A = X d: f = ‖r + α a₁ + β a₂‖² ∕ N, expanded in six numbers."""
    objective, x, y = quadratic
    plane = random_plane(objective, seed=1)
    surface = loss_surface(objective, plane, num_points=(7, 5))
    r, (a1, a2) = x @ plane.origin - y, plane.directions @ x.T
    alpha, beta = np.meshgrid(surface.alphas, surface.betas)
    expected = (
        r @ r
        + 2 * alpha * (r @ a1)
        + 2 * beta * (r @ a2)
        + alpha**2 * (a1 @ a1)
        + beta**2 * (a2 @ a2)
        + 2 * alpha * beta * (a1 @ a2)
    ) / len(x)
    assert surface.loss.shape == (5, 7)
    # Float64 sums of a dozen terms of the size of the largest.
    np.testing.assert_allclose(surface.loss, expected, rtol=1e-13, atol=1e-14)
    assert surface.accuracy is None
    assert surface.is_complete


def rescaled(model, factor):
    """Dinh's: the first layer times a factor, the second one divided by it."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    first, second = copy.layers
    first.kernel.assign(first.kernel.value * factor)
    first.bias.assign(first.bias.value * factor)
    second.kernel.assign(second.kernel.value / factor)
    return copy


def test_filter_normalised_surface_ignores_rescaling(float64):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), rng.standard_normal((20, 1))
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "relu", bias_initializer="random_normal"),
            keras.layers.Dense(1, bias_initializer="random_normal"),
        ]
    )
    other = rescaled(model, 7.0)
    surfaces = {
        normalization: [
            loss_surface(
                ks.Objective(m, x, y, loss="mse"),
                random_plane(
                    ks.Objective(m, x, y, loss="mse"),
                    normalization=normalization,
                    seed=2,
                ),
                num_points=3,
            ).loss
            for m in (model, other)
        ]
        for normalization in ("filter", "none")
    }
    # Every weight is a product of four float64 roundings, and a loss sums 20
    # squares of sums of 11: 1e-14 relative, with room for cancellation.
    np.testing.assert_allclose(*surfaces["filter"], rtol=1e-12)
    # Without it the same function looks different.
    a, b = surfaces["none"]
    assert np.max(np.abs(a - b) / a) > 0.1


def test_equals_direct_evaluation(classifier):
    """At 20 random points of a 25 x 25 grid, and both data sets."""
    plane = random_plane(classifier["train"], seed=3)
    surface = loss_surface(classifier, plane)
    places = np.random.default_rng(0).integers(0, 25, (20, 2))
    for row, column in places:
        w = plane.point(surface.alphas[column], surface.betas[row])
        for name, objective in classifier.items():
            there = objective.evaluate(w)
            assert surface.loss[name][row, column] == pytest.approx(
                there["loss"], rel=1e-6
            )
            assert surface.accuracy[name][row, column] == pytest.approx(
                there["accuracy"], rel=1e-6
            )
    assert surface.num_evaluations == 2 * 625
    frame = surface.to_frame()
    assert len(frame) == 2 * 625
    row = frame[(frame["alpha"] == -1) & (frame["beta"] == 1)].iloc[0]
    assert row["loss"] == surface.losses["train"][-1, 0]


class TestStages:
    def test_each_stage_completes_a_grid(self, classifier):
        sizes = []
        for surface in surface_stages(
            classifier["train"], num_points=(9, 5), every=np.inf
        ):
            coarse = surface.coarse()
            assert coarse.is_complete
            assert np.isfinite(coarse.loss).all()
            sizes.append(coarse.loss.shape)
        assert sizes == [(3, 3), (5, 5), (5, 9)]
        assert surface.is_complete

    def test_between_stages_by_the_clock(self, classifier):
        counts = [
            int(surface.finished.sum())
            for surface in surface_stages(
                classifier["train"], num_points=3, every=0.0
            )
        ]
        assert counts == list(range(1, 10))

    def test_too_few_points_make_no_grid(self, classifier):
        calls = iter(range(9))
        part = loss_surface(
            classifier["train"], num_points=3, stop=lambda: next(calls) > 4
        )
        with pytest.raises(ValueError, match="Only 5 points"):
            part.coarse()


def test_half_precision_moves_in_small_steps():
    """α = 1e-4 is less than the spacing of bfloat16 but adds up in float32."""
    with precision("bfloat16"):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    objective = ks.Objective(
        model, np.ones((4, 2)), np.ones((4, 1)), loss="mse"
    )
    surface = loss_surface(objective, num_points=3)
    assert np.isfinite(surface.loss).all()


def test_losses_that_are_not_finite_are_kept(quadratic):
    objective, *_ = quadratic
    directions = np.zeros((2, 6))
    # Its square is a float64, the sum of a dozen such is not.
    directions[0, 0], directions[1, 1] = 1.3e154, 1.0
    plane = Plane(
        basis="own", origin=np.zeros(6), directions=directions, labels="xy"
    )
    surface = loss_surface(objective, plane, num_points=3)
    assert np.isinf(surface.loss[:, [0, 2]]).all()
    assert np.isfinite(surface.loss[:, 1]).all()
    assert surface.is_complete


def test_the_model_is_left_as_it_was(classifier):
    model = classifier["train"].model
    before = [v.numpy() for v in model.variables]
    loss_surface(classifier, num_points=3)
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphas": [0.0]}, "`alphas` must be two or more"),
        ({"betas": [1.0, 0.0]}, "ascending"),
        ({"alphas": [0.0, np.nan]}, "finite"),
        ({"num_points": 1}, "num_points=1"),
        ({"stop": 3}, "`stop` must be"),
        ({"plane": np.ones(3)}, "`plane` must be a flat vector"),
        (
            {
                "plane": Plane(
                    basis="own", origin=np.zeros(6), directions=np.ones((3, 6))
                )
            },
            r"plane\.directions",
        ),
        ({"path": "/nowhere/surface.json"}, None),
    ],
)
def test_wrong_options(quadratic, options, message):
    objective, *_ = quadratic
    before = objective.count
    error = FileNotFoundError if message is None else ValueError
    with pytest.raises(error, match=message):
        loss_surface(objective, **options)
    assert objective.count == before
