"""The spectral density during a training, and its histograms."""

import numpy as np
import pytest

from keras_sharpness import Objective, spectral_density
from keras_sharpness.callbacks import SpectralDensity
from keras_sharpness.metrics import HessianOperator


def test_the_density_is_that_of_the_function(
    float64, build, data, tmp_path, events
):
    density = SpectralDensity(
        *data, num_probes=2, num_steps=20, log_dir=tmp_path / "log"
    )
    model = build()
    logs = model.fit(*data, epochs=3, callbacks=[density], verbose=0).history

    objective = Objective(model, *data)
    again = spectral_density(objective, num_probes=2, num_steps=20)
    assert logs["spectral_density_trace"][-1] == again.trace
    assert logs["spectral_density_negative_share"][-1] == again.negative_share
    spectrum = np.linalg.eigvalsh(HessianOperator(objective) @ np.eye(51))
    # Ritz values of 20 steps; the ends of 51 eigenvalues are found.
    np.testing.assert_allclose(
        [
            logs["spectral_density_smallest"][-1],
            logs["spectral_density_largest"][-1],
        ],
        spectrum[[0, -1]],
        rtol=1e-3,
    )
    histograms = events("spectral_density")["spectral_density"]
    assert [step for step, _ in histograms] == [0, 1, 2]
    left, right, counts = histograms[-1][1].T
    # All of the density: its grid ends where less than 1e-3 is left.
    assert counts.sum() == pytest.approx(51, rel=1e-3)
    last = density.results[-1]
    assert (left[0], right[-1]) == (last.grid[0], last.grid[-1])
    np.testing.assert_array_equal(left[1:], right[:-1])
    # The mean eigenvalue of a histogram is off by less than half a bucket.
    mean = np.sum(counts * (left + right) / 2) / counts.sum()
    assert abs(mean - last.mean) < (right[0] - left[0]) / 2
