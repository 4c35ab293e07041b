"""Surfaces, bundles and curves that the tests of the charts draw."""

import numpy as np

from keras_sharpness.landscape import (
    Connection,
    DirectionBundle,
    LossSurface,
    ProjectedTrajectory,
)

SETTINGS = {"loss": "sparse_categorical_crossentropy", "num_samples": 1000}


def surface(
    num_points=9, *, names=("minimum",), anchors=((0.0, 0.0),), **changes
):
    """f = 1 + α² + 4 β², and an accuracy that falls with it."""
    axis = np.linspace(-1.0, 1.0, num_points)
    alpha, beta = np.meshgrid(axis, axis)
    loss = 1.0 + alpha**2 + 4.0 * beta**2
    values = {
        "alphas": axis,
        "betas": axis,
        "losses": {"train": loss, "test": 2.0 * loss},
        "accuracies": {"train": 1.0 / loss, "test": 0.5 / loss},
        "finished": np.ones(loss.shape, dtype=bool),
        "plane": {
            "basis": "random",
            "labels": ("random direction 1", "random direction 2"),
            "names": tuple(names),
            "anchors": np.array(anchors),
            "lengths": np.array([12.3, 12.3]),
            "cosine": 0.0,
            "explained_variance": None,
            "made": {"seed": 0},
        },
        "moving_statistics": "objective",
        "num_evaluations": 2 * loss.size,
        "seconds": 1.0,
        "objectives": {name: dict(SETTINGS) for name in ("train", "test")},
    }
    return LossSurface(**{**values, **changes})


def trajectory(**changes):
    """Four checkpoints on the way to the centre."""
    values = {
        "steps": np.arange(4),
        "coordinates": np.array([[0.9, 0.9], [0.5, 0.4], [0.2, 0.1], [0, 0]]),
        "distances": np.array([0.5, 0.25, 0.1, 0.0]),
        "losses": {"train": np.array([4.0, 2.0, 1.2, 1.0])},
        "plane_losses": {"train": np.array([5.05, 1.89, 1.08, 1.0])},
        "accuracies": {"train": np.array([0.2, 0.5, 0.8, 1.0])},
        "explained_variance": np.array([0.9, 0.07]),
        "moving_statistics": "objective",
        "num_evaluations": 8,
        "seconds": 1.0,
        "objectives": {"train": dict(SETTINGS)},
    }
    return ProjectedTrajectory(**{**values, **changes})


def bundle(groups=("all layers",) * 3, **changes):
    """Parabolas, each steeper than the one before."""
    alphas = np.linspace(-1.0, 1.0, 5)
    steepness = np.arange(1.0, len(groups) + 1.0)
    loss = 1.0 + steepness[:, None] * alphas**2
    values = {
        "alphas": alphas,
        "losses": {"train": loss},
        "accuracies": {"train": 1.0 / loss},
        "finished": np.ones(loss.shape, dtype=bool),
        "groups": tuple(groups),
        "lengths": np.full(len(groups), 8.5),
        "made": {"normalization": "filter", "ignore": "none", "seed": 0},
        "moving_statistics": "center",
        "num_evaluations": loss.size,
        "seconds": 1.0,
        "objectives": {"train": dict(SETTINGS)},
    }
    return DirectionBundle(**{**values, **changes})


def connection(**changes):
    """A barrier of 1 on the line and of 0.1 on the curve."""
    ts = np.linspace(0.0, 1.0, 11)
    hump = 4.0 * ts * (1.0 - ts)
    values = {
        "curve": "bezier",
        "ts": ts,
        "losses": {"train": 0.2 + 0.1 * hump, "test": 0.4 + 0.1 * hump},
        "line_losses": {"train": 0.2 + hump, "test": 0.4 + hump},
        "accuracies": {"train": 1 - 0.1 * hump, "test": 0.9 - 0.1 * hump},
        "line_accuracies": {"train": 1 - hump / 2, "test": 0.9 - hump / 2},
        "barriers": {"train": 0.1, "test": 0.1},
        "line_barriers": {"train": 1.0, "test": 1.0},
        "bend": np.zeros(3),
        "history": np.ones(5),
        "history_ts": np.linspace(0, 1, 5),
        "learning_rate": 0.1,
        "num_steps": 5,
        "distance": 2.0,
        "curve_length": 3.0,
        "num_evaluations": 44,
        "num_gradients": 5,
        "seconds": 1.0,
        "seed": 0,
        "objectives": {name: dict(SETTINGS) for name in ("train", "test")},
    }
    return Connection(**{**values, **changes})
