"""The record of a training, and the paper's rule for its end."""

import numpy as np
import pytest

from keras_sharpness.training.history import (
    TrainingHistory,
    has_ceased_to_improve,
)


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "expected"),
    [
        ([], 1, 0.0, False),
        ([3.0], 1, 0.0, False),
        ([3.0, 3.0], 1, 0.0, True),
        ([3.0, 2.0, 2.5], 2, 0.0, False),
        ([3.0, 2.0, 2.5, 2.0], 2, 0.0, True),
        ([3.0, 2.0, 2.5, 1.9], 2, 0.0, False),
        # Small steps add up: each is measured against the best, which a step
        # too small does not replace.
        ([3.0, 2.75, 2.5, 2.25], 2, 0.3, False),
        ([3.0, 2.9, 2.8, 2.75], 3, 0.3, True),
        ([1.0] * 99, None, 0.0, False),
    ],
)
def test_has_ceased_to_improve(losses, patience, min_delta, expected):
    result = has_ceased_to_improve(
        losses, patience=patience, min_delta=min_delta
    )
    assert result is expected


@pytest.mark.parametrize("num_epochs", [0, 2])
def test_rows_to_frame(num_epochs):
    rows = [
        {"loss": 2.0, "learning_rate": 0.1, "seconds": 3.0},
        {"loss": 1.0, "learning_rate": 0.1, "seconds": 1.0, "sharpness": 5.0},
    ][:num_epochs]
    history = TrainingHistory.from_rows(
        rows,
        batch_size=1,
        seed=0,
        optimizer={},
        loss_name="mse",
        num_samples=1,
        num_updates=2,
        stop_reason="epochs",
        total_seconds=4.0,
    )
    frame = history.to_frame()
    assert len(frame) == num_epochs
    assert list(frame)[:4] == ["epoch", "loss", "learning_rate", "seconds"]
    if num_epochs:
        np.testing.assert_array_equal(frame.sharpness, [np.nan, 5.0])
    assert frame.equals(history.history)
    assert history.from_dict(history.to_dict()).to_frame().equals(frame)
