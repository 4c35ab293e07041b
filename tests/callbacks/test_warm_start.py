"""Searches that start on the hardest samples, against dense Hessians."""

import keras
import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import Objective
from keras_sharpness.callbacks import (
    EdgeOfStability,
    HessianEigenvalues,
)
from keras_sharpness.callbacks._warm_start import PresentHessian, WarmStart
from keras_sharpness.metrics import HessianOperator


@pytest.fixture(scope="module")
def digits():
    """20,480 samples of three classes in four dimensions, some mislabelled.

    With 99 weights they are so many that the hardest are searched first.
    """
    generator = np.random.default_rng(0)
    y = np.arange(20480) % 3
    x = 2.0 * np.eye(4)[y] + 0.4 * generator.standard_normal((20480, 4))
    y[::500] = (y[::500] + 1) % 3
    return x.astype("float32"), y


def build(width, learning_rate=0.02, optimizer=keras.optimizers.Adam):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(width, "tanh"),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(learning_rate), loss)
    return model


class Dense(keras.callbacks.Callback):
    """The spectrum of the dense Hessian after every epoch."""

    def __init__(self, data):
        super().__init__()
        self.data, self.spectra = data, []

    def on_epoch_end(self, epoch, logs=None):
        if not self.spectra:
            self.objective = Objective(
                self.model, *self.data, batch_size=4096, block_size=1
            )
        dense = HessianOperator(self.objective) @ np.eye(99)
        self.spectra.append(np.linalg.eigvalsh((dense + dense.T) / 2))


def test_eigenvalues_are_those_of_all_the_data(digits):
    top, dense = HessianEigenvalues(*digits), Dense(digits)
    build(12).fit(
        *digits, batch_size=1024, epochs=3, callbacks=[top, dense], verbose=0
    )
    for epoch, (result, spectrum) in enumerate(
        zip(top.results, dense.spectra, strict=True)
    ):
        (value,), (residual,) = result.eigenvalues, result.residuals
        assert result.converged[0]
        assert residual <= result.tolerance * value
        # A symmetric matrix has an eigenvalue within the residual, and a
        # Rayleigh quotient is never above the largest; float32 rounds both to
        # 1e-5. And it is the largest that it is near.
        assert abs(spectrum[-1] - value) <= residual + 1e-5 * value
        assert value <= spectrum[-1] * (1 + 1e-5)
        hard = result.num_pilot_samples, result.num_pilot_products > 0
        assert hard == ((0, False) if epoch == 0 else (100, True))


def test_a_search_goes_on_where_the_hardest_do_not_suffice(float64, digits):
    model = build(12)
    objective = Objective(model, *digits, batch_size=4096, block_size=1)
    search = WarmStart(
        k=1, which="largest", tolerance=1e-5, max_products=None, seed=0
    )
    search.prepare(PresentHessian(objective))
    spectrum = None
    for count in range(2):
        found = search.find(PresentHessian(objective), False)
        assert found.converged[0]
        assert found.num_products > 1
        assert (found.num_pilot_samples > 0) == (count > 0)
        if spectrum is None:
            dense = HessianOperator(objective) @ np.eye(objective.size)
            spectrum = np.linalg.eigvalsh(dense)
        # Off by residual² over the gap at the most.
        gap = 1.0 - spectrum[-2] / spectrum[-1]
        assert found.eigenvalues[0] == pytest.approx(
            spectrum[-1], rel=1e-10 / gap
        )


def test_the_edge_of_stability_searches_the_hardest_too(digits):
    edge = EdgeOfStability(*digits)
    model = build(12, 0.1, keras.optimizers.SGD)
    model.fit(*digits, batch_size=1024, epochs=2, callbacks=[edge], verbose=0)
    assert edge.results[1].search["converged"]
    assert edge.results[1].search["num_pilot_samples"] == 100


@pytest.mark.parametrize(
    "options", [{"k": 2}, {"which": "smallest"}, {"which": "both"}]
)
def test_other_searches_start_from_the_last_vectors(options, digits):
    top = HessianEigenvalues(*digits, **options)
    build(12).fit(
        *digits, batch_size=1024, epochs=2, callbacks=[top], verbose=0
    )
    assert top.results[1].num_pilot_samples == 0
    assert top.results[1].num_initial_vectors > 0


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
