"""Surfaces against closed forms and direct evaluation."""

import threading

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import (
    LossSurface,
    Plane,
    estimate_cost,
    loss_surface,
    plane_through,
    random_plane,
    surface_stages,
)
from keras_sharpness.landscape.coarse_to_fine import coarse_to_fine, levels
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


class TestInterrupted:
    def test_stopped_and_resumed(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        options = {"num_points": 9, "path": path}
        plane = random_plane(classifier["train"])
        whole = loss_surface(classifier, plane, num_points=9)
        before = classifier["train"].count
        calls = iter(range(100))
        part = loss_surface(
            classifier, plane, stop=lambda: next(calls) >= 40, **options
        )
        assert part.finished.sum() == 40
        assert np.isnan(part.losses["train"][~part.finished]).all()
        assert len(part.to_frame()) == 80
        steps = []
        rest = loss_surface(
            classifier,
            plane,
            progress=lambda *step: steps.append(step),
            **options,
        )
        # Not one point twice.
        assert classifier["train"].count - before == 81
        assert steps[-1] == (82, 82)
        for name in classifier:
            np.testing.assert_array_equal(rest.loss[name], whole.loss[name])
            np.testing.assert_array_equal(
                rest.accuracy[name], whole.accuracy[name]
            )
        assert rest.seconds >= part.seconds > 0.0
        again = LossSurface.load(path)
        assert again.is_complete
        np.testing.assert_array_equal(again.loss["test"], whole.loss["test"])
        loss_surface(classifier, plane, **options)
        assert classifier["train"].count - before == 81

    def test_an_exception_keeps_the_file(self, classifier, tmp_path):
        path = tmp_path / "surface.json"

        def interrupt(done, total):
            if done == 11:  # in the middle of the sixth point
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            loss_surface(
                classifier, num_points=5, path=path, progress=interrupt
            )
        assert LossSurface.load(path).finished.sum() == 5

    def test_left_early_the_stages_write_the_file(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        for surface in surface_stages(classifier, num_points=9, path=path):
            assert not surface.is_complete
            break
        del surface
        assert LossSurface.load(path).finished.sum() == 9

    def test_other_settings_are_refused(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        event = threading.Event()
        event.set()
        options = {"num_points": 5, "path": path}
        empty = loss_surface(classifier, stop=event, **options)
        assert not empty.finished.any()
        with pytest.raises(ValueError, match="plane: '"):
            loss_surface(classifier, seed=1, **options)
        with pytest.raises(ValueError, match="grid: '"):
            loss_surface(classifier, num_points=7, path=path)
        with pytest.raises(ValueError, match=r"objectives\.test"):
            loss_surface(classifier["train"], **options)
        train = classifier["train"]
        data = np.zeros((32, 5)), np.zeros(32)
        other = ks.Objective(train.model, *data, loss=train.loss.function)
        with pytest.raises(ValueError, match=r"objectives\.train\.data"):
            loss_surface({**classifier, "train": other}, **options)
        path.write_text("{}")
        with pytest.raises(ValueError, match="not a saved result"):
            loss_surface(classifier, **options)


class TestStages:
    @pytest.mark.parametrize("num_points", [2, 3, 4, 9, 12, 25])
    def test_every_point_comes_once(self, num_points):
        places = [p for s in coarse_to_fine(num_points, 6) for p in s]
        assert sorted(places) == list(np.ndindex(num_points, 6))

    def test_25_points_refine_by_halves(self):
        sizes = [int((levels(25) <= n).sum()) for n in range(5)]
        assert sizes == [3, 5, 9, 17, 25]

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


def test_cost_counts_and_measures(classifier):
    train = classifier["train"]
    before = train.count
    cost = estimate_cost(classifier, 625, num_gradients=3)
    assert cost.num_evaluations == 1250
    assert train.count - before == 3
    assert cost.seconds == pytest.approx(
        625 * cost.seconds_per_point + 3 * cost.seconds_per_gradient
    )
    assert cost.seconds_per_gradient > 0.0
    with pytest.raises(ValueError, match="num_points=-1"):
        estimate_cost(train, -1)
