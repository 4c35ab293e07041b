"""Planes through points that are given."""

import keras
import numpy as np
import pytest

from keras_sharpness.landscape import (
    plane_through,
    trajectory_plane,
)


class TestThroughThree:
    def test_models_lie_where_they_say(self, quadratic):
        objective, *_ = quadratic
        points = np.random.default_rng(2).standard_normal((3, 6))
        plane = plane_through(objective, points, names="xyz")
        for place, point in zip(plane.anchors, points, strict=True):
            # A dozen float64 operations on numbers of order 1.
            np.testing.assert_allclose(plane.point(*place), point, atol=1e-14)
        np.testing.assert_allclose(
            plane.directions @ plane.directions.T, np.eye(2), atol=1e-15
        )
        distances = np.linalg.norm(points - points[[1, 2, 0]], axis=1)
        np.testing.assert_allclose(
            np.linalg.norm(plane.anchors - plane.anchors[[1, 2, 0]], axis=1),
            distances,
            rtol=1e-14,
        )
        low, high = plane.extent.T
        assert np.all(low < plane.anchors.min(axis=0))
        assert np.all(high > plane.anchors.max(axis=0))
        assert plane.names == ("x", "y", "z")

    @pytest.mark.parametrize(
        ("points", "message"),
        [
            (np.eye(6)[:2], "`points` must be a list of three"),
            (np.outer([0, 1, 2], np.ones(6)), "on one line"),
            (np.eye(6)[[0, 0, 1]], "on one line"),
            ([np.ones(6), np.ones(5), np.zeros(6)], r"points\[1\]"),
        ],
    )
    def test_wrong_points(self, quadratic, points, message):
        with pytest.raises(ValueError, match=message):
            plane_through(quadratic[0], points)


class TestOfATrajectory:
    def test_components_are_those_of_the_svd(self, quadratic):
        points = np.random.default_rng(3).standard_normal((7, 6))
        points *= np.linspace(3.0, 0.2, 7)[:, None]
        plane = trajectory_plane(quadratic[0], points)
        _, s, vt = np.linalg.svd(points - points.mean(axis=0))
        # The Gram matrix squares the condition, below 100 for two components.
        np.testing.assert_allclose(
            np.abs(np.sum(plane.directions * vt[:2], axis=1)), 1.0, rtol=1e-12
        )
        np.testing.assert_allclose(
            plane.explained_variance, s[:2] ** 2 / np.sum(s**2), rtol=1e-12
        )
        np.testing.assert_array_equal(plane.origin, points[-1])
        np.testing.assert_allclose(
            plane.directions @ plane.directions.T, np.eye(2), atol=1e-15
        )

    def test_vectors_models_and_float32_agree(self, classifier):
        objective = classifier["train"]
        rng = np.random.default_rng(4)
        points = rng.standard_normal((4, objective.size)).astype("float32")
        models = []
        for point in points:
            model = keras.models.clone_model(objective.model)
            for variable, value in zip(
                model.trainable_variables,
                objective.layout.split(point),
                strict=True,
            ):
                variable.assign(value)
            models.append(model)
        by_vectors = trajectory_plane(objective, points)
        by_models = trajectory_plane(objective, models)
        np.testing.assert_array_equal(
            by_vectors.directions, by_models.directions
        )
        assert len(by_models.states) == 1
        assert by_vectors.states == ()

    @pytest.mark.parametrize(
        ("points", "message"),
        [
            (np.zeros((2, 6)), "at least 3"),
            (np.zeros(6), "shape"),
            (np.outer(np.arange(4.0), np.ones(6)), "on one line"),
            (np.zeros((4, 6)), "on one line"),
            (np.zeros((4, 5)), r"points\[0\]"),
        ],
    )
    def test_wrong_points(self, quadratic, points, message):
        with pytest.raises(ValueError, match=message):
            trajectory_plane(quadratic[0], points)
