"""What a weight trajectory on disk is compared with."""

import keras
import numpy as np


class Recorder(keras.callbacks.Callback):
    """Weights and moving statistics after every step and at the start."""

    def __init__(self):
        super().__init__()
        self.points = {}

    def on_train_begin(self, logs=None):
        self.record()

    def on_train_batch_end(self, batch, logs=None):
        self.record()

    def record(self):
        weights = [np.ravel(v) for v in self.model.trainable_variables]
        self.points[int(self.model.optimizer.iterations)] = (
            np.concatenate(weights),
            [np.array(v) for v in self.model.non_trainable_variables],
        )


def assert_read_back(saved, points):
    for step, _, weights, state in saved:
        expected, statistics = points[step]
        np.testing.assert_array_equal(weights, expected)
        assert weights.dtype == np.float32
        assert len(state) == len(statistics)
        for one, other in zip(state, statistics, strict=True):
            np.testing.assert_array_equal(one, other)
