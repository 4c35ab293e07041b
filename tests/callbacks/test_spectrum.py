"""Eigenvalues, trace and density during a training; TensorBoard."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import Objective, hessian_trace, spectral_density
from keras_sharpness.callbacks import (
    HessianEigenvalues,
    HessianTrace,
    SpectralDensity,
)
from keras_sharpness.callbacks._warm_start import WarmStart
from keras_sharpness.metrics import HessianOperator


@pytest.fixture
def events(tmp_path):
    """Reads with TensorBoard's own reader what was written to a run."""
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )

    def read(run):
        folder = str(tmp_path / "log" / run)
        reader = event_accumulator.EventAccumulator(folder)
        reader.Reload()
        return {
            tag: [
                (event.step, tf.make_ndarray(event.tensor_proto))
                for event in reader.Tensors(tag)
            ]
            for tag in reader.Tags()["tensors"]
        }

    return read


def test_all_of_the_spectrum(float64, build, data, tmp_path, events):
    log_dir = tmp_path / "log"
    both = HessianEigenvalues(
        *data, k=2, which="both", tolerance=1e-6, log_dir=log_dir
    )
    smallest = HessianEigenvalues(
        *data, k=2, which="smallest", tolerance=1e-6, name="negative"
    )
    trace = HessianTrace(*data, num_probes=4)
    density = SpectralDensity(
        *data, num_probes=2, num_steps=20, log_dir=log_dir
    )
    model = build()
    board = keras.callbacks.TensorBoard(log_dir)
    logs = model.fit(
        *data,
        epochs=3,
        callbacks=[both, smallest, trace, density, board],
        verbose=0,
    ).history

    objective = Objective(model, *data)
    spectrum = np.linalg.eigvalsh(HessianOperator(objective) @ np.eye(51))
    # Eigenvalues are good to the square of the residual over the gap.
    top = [logs["hessian_eigenvalue"][-1], logs["hessian_eigenvalue_2"][-1]]
    np.testing.assert_allclose(top, spectrum[:-3:-1], rtol=1e-8)
    bottom = ["hessian_smallest_eigenvalue", "hessian_smallest_eigenvalue_2"]
    for keys in (bottom, ["negative_smallest", "negative_smallest_2"]):
        np.testing.assert_allclose(
            [logs[key][-1] for key in keys], spectrum[:2], rtol=1e-6
        )
    assert list(both.to_frame().columns[2:6]) == [
        "hessian_eigenvalue",
        "hessian_eigenvalue_2",
        "hessian_smallest_eigenvalue_2",
        "hessian_smallest_eigenvalue",
    ]
    assert all(result.eigenvectors is None for result in both.results)
    # Later searches start from what earlier ones found.
    assert [result.num_initial_vectors for result in both.results] == [0, 6, 6]

    again = hessian_trace(objective, num_probes=4)
    assert logs["hessian_trace"][-1] == again.value
    assert logs["hessian_trace_standard_error"][-1] == again.standard_error
    again = spectral_density(objective, num_probes=2, num_steps=20)
    assert logs["spectral_density_trace"][-1] == again.trace
    assert logs["spectral_density_negative_share"][-1] == again.negative_share
    # Ritz values of 20 steps; the ends of 51 eigenvalues are found.
    np.testing.assert_allclose(
        [
            logs["spectral_density_smallest"][-1],
            logs["spectral_density_largest"][-1],
        ],
        spectrum[[0, -1]],
        rtol=1e-3,
    )

    scalars = events("train")
    for key in ("hessian_eigenvalue", "hessian_trace", "hessian_trace_seconds"):
        written = scalars[f"epoch_{key}"]
        assert [step for step, _ in written] == [0, 1, 2]
        # TensorBoard stores float32.
        np.testing.assert_allclose(
            [value for _, value in written], logs[key], rtol=1e-6
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
    ((step, one), *_) = events("hessian_eigenvalue")["hessian_eigenvalue"]
    assert step == 0
    for value in both.results[0].eigenvalues:
        inside = (one[:, 0] <= value) & (value <= one[:, 1])
        assert one[inside, 2].sum() >= 1
    assert one[:, 2].sum() == 4


def test_histograms_between_epochs_count_steps(build, data, tmp_path, events):
    top = HessianEigenvalues(
        *data, k=2, frequency=3, log_dir=tmp_path / "log", name="top"
    )
    build().fit(*data, batch_size=8, callbacks=[top], verbose=0)
    (written,) = events("top").values()
    assert [step for step, _ in written] == [3, 6]


class Changing(LinearOperator):
    """A diagonal matrix whose second eigenvalue overtakes the first."""

    def __init__(self, second):
        super().__init__(np.float64, (500, 500))
        others = np.r_[-9.0, -7.0, np.linspace(-5.0, 5.0, 496)]
        self.diagonal = np.r_[10.0, second, others][:, None]

    def _matvec(self, v):
        return self._matmat(v.reshape(-1, 1))[:, 0]

    def _matmat(self, block):
        return self.diagonal * block


@pytest.mark.parametrize("which", ["largest", "both"])
def test_an_eigenvector_that_overtakes_the_first_is_found(which):
    search = WarmStart(
        k=1, which=which, tolerance=0.01, max_products=None, seed=0
    )
    products = []
    for second in np.linspace(8.0, 12.0, 12):
        found = search.find(Changing(second), progress=False)
        # The square of the residual over the distance to the bulk, 3.
        assert found.eigenvalues[0] == pytest.approx(
            max(10.0, second), rel=1e-3
        )
        assert found.eigenvectors is None
        assert len(found.eigenvalues) == (1 if which == "largest" else 2)
        products.append(found.num_products)
        afresh = len(products) in (1, 11)
        assert found.miss_probability == (1e-3 if afresh else None)
        assert (found.num_initial_vectors == 0) == afresh
    # Eigenvectors of a diagonal matrix stay what they are.
    if which == "largest":
        assert max(products[1:10]) <= 4 < products[0]
    search.forget()
    assert search.find(Changing(8.0), progress=False).num_initial_vectors == 0
