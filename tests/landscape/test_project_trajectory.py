"""Trajectories on planes, with what the plane does not show."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import (
    ProjectedTrajectory,
    project_trajectory,
    random_plane,
    trajectory_plane,
)


@pytest.fixture
def way(quadratic):
    points = np.random.default_rng(0).standard_normal((6, 6))
    points *= np.linspace(3.0, 0.3, 6)[:, None]
    return points, trajectory_plane(quadratic[0], points)


def test_the_end_lies_on_the_plane(quadratic, way):
    points, plane = way
    found = project_trajectory(quadratic[0], plane, points)
    assert not found.coordinates[-1].any()
    assert found.distances[-1] == 0.0
    assert found.losses["data"][-1] == found.plane_losses["data"][-1]


def test_true_losses_and_those_on_the_plane(quadratic, way):
    """The oracle is the closed form of a linear model's loss."""
    objective, x, y = quadratic
    points, plane = way
    found = project_trajectory(objective, plane, points, steps=range(0, 12, 2))
    d = plane.directions
    for index, point in enumerate(points):
        offset = point - plane.origin
        nearest = plane.origin + d.T @ (d @ offset)
        for values, w in (
            (found.losses, point),
            (found.plane_losses, nearest),
        ):
            # Float64 sums of a dozen terms.
            assert values["data"][index] == pytest.approx(
                np.mean((x @ w - y) ** 2), rel=1e-12
            )
        assert found.distances[index] == pytest.approx(
            np.linalg.norm(point - nearest), rel=1e-12, abs=1e-14
        )
    # The components of the trajectory's own plane are its principal ones.
    np.testing.assert_allclose(
        found.explained_variance, plane.explained_variance, rtol=1e-10
    )
    frame = found.to_frame()
    assert frame["step"].tolist() == [0, 2, 4, 6, 8, 10]


def test_variance_on_a_skew_plane(quadratic, way):
    """Together the two shares are what any basis of the plane explains."""
    points, _ = way
    plane = random_plane(quadratic[0], points[-1], seed=1)
    found = project_trajectory(quadratic[0], plane, points)
    q, _ = np.linalg.qr(plane.directions.T)
    centered = points - points.mean(axis=0)
    expected = np.sum((centered @ q) ** 2, axis=0) / np.sum(centered**2)
    np.testing.assert_allclose(found.explained_variance, expected, rtol=1e-10)


def test_models_bring_their_statistics(float64, tmp_path):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((16, 3)), rng.standard_normal((16, 1))
    models = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.BatchNormalization()]
        )
        for variable in model.variables:
            variable.assign(rng.uniform(0.5, 2.0, 3))
        models.append(model)
    targets = rng.standard_normal((16, 3))
    objectives = {
        "train": ks.Objective(models[0], data[0], targets, loss="mse"),
        "test": ks.Objective(models[0], -data[0], targets, loss="mse"),
    }
    plane = trajectory_plane(objectives["train"], models)
    steps = []
    found = project_trajectory(
        objectives, plane, models, progress=lambda *s: steps.append(s)
    )
    for index, model in enumerate(models):
        own = ks.Objective(model, data[0], targets, loss="mse").value()
        assert found.losses["train"][index] == pytest.approx(own, rel=1e-13)
    assert found.moving_statistics == "checkpoint"
    assert steps[-1] == (12, 12)
    found.save(tmp_path / "way.json")
    again = ProjectedTrajectory.load(tmp_path / "way.json")
    np.testing.assert_array_equal(again.losses["test"], found.losses["test"])


def test_wrong_points(quadratic, way):
    points, plane = way
    with pytest.raises(ValueError, match=r"`steps` must have shape \(6,\)"):
        project_trajectory(quadratic[0], plane, points, steps=[1, 2])
    with pytest.raises(ValueError, match=r"points\[0\]"):
        project_trajectory(quadratic[0], plane, points[:, :3])
    with pytest.raises(ValueError, match="at least 1"):
        project_trajectory(quadratic[0], plane, [])
