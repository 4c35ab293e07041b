"""Products kept in a folder, and measurements that go on from there."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

import keras_sharpness as ks
from keras_sharpness.metrics.operators import (
    GaussNewtonOperator,
    HessianOperator,
)
from keras_sharpness.metrics.stored_products import StoredProducts
from tests.metrics.small_classifier import eight_samples, small_classifier


@pytest.fixture
def model(request):
    return small_classifier(getattr(request, "param", "float32"))


@pytest.fixture
def data():
    return eight_samples()


@pytest.fixture
def operator(model, data):
    return HessianOperator(ks.Objective(model, *data))


@pytest.fixture
def vectors(operator):
    rng = np.random.default_rng(1)
    return rng.standard_normal((operator.shape[0], 5))


@pytest.mark.parametrize("model", ["float32", "float64"], indirect=True)
def test_what_is_read_is_what_was_computed(operator, vectors, tmp_path):
    dtype = operator.objective.layout.dtype
    first = StoredProducts(operator, tmp_path / "new")
    computed = first @ vectors
    # Exact, as the operator's own products but for the rounding to its dtype.
    np.testing.assert_array_equal(
        computed, (operator @ vectors).astype(dtype).astype(np.float64)
    )
    assert computed.dtype == np.float64
    second = StoredProducts(operator, tmp_path / "new")
    np.testing.assert_array_equal(second @ vectors, computed)
    np.testing.assert_array_equal(second @ vectors[:, 1], computed[:, 1])
    column = second @ vectors[:, 1:2]
    np.testing.assert_array_equal(column, computed[:, 1:2])
    assert (first.num_computed, first.num_read) == (5, 0)
    assert (second.num_computed, second.num_read) == (0, 7)


def test_known_and_new_vectors_in_one_block(operator, vectors, tmp_path):
    stored = StoredProducts(operator, tmp_path)
    known = stored @ vectors[:, [3, 1]]
    block = stored @ vectors
    np.testing.assert_array_equal(block[:, [3, 1]], known)
    assert (stored.num_computed, stored.num_read) == (5, 2)
    # Six float32 roundings of sums over eight samples.
    np.testing.assert_allclose(block, operator @ vectors, rtol=1e-5, atol=1e-6)


class Watched(LinearOperator):
    """An operator that tells before each product how many there were."""

    def __init__(self, operator, progress):
        super().__init__(operator.dtype, operator.shape)
        self._operator, self._progress, self._count = operator, progress, 0

    def _matvec(self, v):
        self._progress(self._count, 0)
        self._count += 1
        return self._operator @ v


def largest_by_scipy(operator, progress):
    # Without a start vector SciPy draws one.
    start = np.ones(operator.shape[0])
    return eigsh(Watched(operator, progress), k=2, v0=start)[0]


MEASURES = {
    "eigenvalues": lambda operator, progress: (
        ks.hessian_eigenvalues(
            operator, k=2, which="both", progress=progress
        ).eigenvalues
    ),
    "trace": lambda operator, progress: (
        ks.hessian_trace(
            operator, relative_error=0.2, progress=progress
        ).samples
    ),
    "hutch++": lambda operator, progress: (
        ks.hessian_trace(
            operator, method="hutch++", num_probes=4, progress=progress
        ).samples
    ),
    "xtrace": lambda operator, progress: (
        ks.hessian_trace(
            operator, method="xtrace", num_probes=6, progress=progress
        ).samples
    ),
    "diagonal": lambda operator, progress: (
        ks.hessian_diagonal(operator, num_probes=12, progress=progress).diagonal
    ),
    "density": lambda operator, progress: (
        ks.spectral_density(
            operator, num_probes=3, num_steps=6, progress=progress
        ).density
    ),
    "eigsh": largest_by_scipy,
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measurement_goes_on_where_it_was_stopped(operator, name, tmp_path):
    """With the same bits, and no product computed twice."""
    measure = MEASURES[name]
    whole = StoredProducts(operator, tmp_path / "whole")
    expected = measure(whole, lambda done, total: None)
    assert whole.num_computed >= 6

    def stop(done, total):
        if done >= 4:
            raise KeyboardInterrupt

    stopped = StoredProducts(operator, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        measure(stopped, stop)
    resumed = StoredProducts(operator, tmp_path / "stopped")
    found = measure(resumed, lambda done, total: None)
    np.testing.assert_array_equal(found, expected)
    assert stopped.num_computed >= 4
    assert stopped.num_computed + resumed.num_computed == whole.num_computed


def test_an_objective_stands_for_its_hessian(operator, vectors, tmp_path):
    computed = StoredProducts(operator, tmp_path) @ vectors
    stored = StoredProducts(operator.objective, tmp_path)
    np.testing.assert_array_equal(stored @ vectors, computed)
    assert stored.num_read == 5


def test_variables_and_settings_are_the_operators(operator, tmp_path):
    stored = StoredProducts(operator, tmp_path)
    trace = ks.hessian_trace(stored, num_probes=4)
    assert list(trace.by_variable) == list(operator.slices)
    assert trace.objective == operator.objective.settings
    np.testing.assert_array_equal(stored.w, operator.w)
    assert stored.H is stored


def test_products_of_another_operator_are_refused(
    operator, model, data, vectors, tmp_path
):
    StoredProducts(operator, tmp_path) @ vectors
    x, y = data
    for other, what in (
        (GaussNewtonOperator(operator.objective), "matrix.matrix"),
        (HessianOperator(operator.objective, 0.9 * operator.w), "weights"),
        (HessianOperator(ks.Objective(model, 2 * x, y)), "objective.data"),
        (
            HessianOperator(operator.objective, variables=model.layers[0]),
            "matrix.places",
        ),
    ):
        with pytest.raises(ValueError, match=f"another operator: .*{what}"):
            StoredProducts(other, tmp_path)
    block = HessianOperator(operator.objective, variables=model.layers[0])
    StoredProducts(block, tmp_path / "block")
    # Tuples come back from a file as lists.
    StoredProducts(block, tmp_path / "block")


def test_a_folder_of_something_else_is_refused(operator, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="something else"):
        StoredProducts(operator, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(FileNotFoundError, match="Make it first"):
        StoredProducts(operator, tmp_path / "no" / "folder")


def test_an_operator_that_cannot_be_told_from_others_is_refused(tmp_path):
    with pytest.raises(ValueError, match="curvature operator"):
        StoredProducts(aslinearoperator(np.eye(3)), tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY", np.ones(3).tobytes(), None],
    ids=["empty", "cut off", "no header", "other shape"],
)
def test_a_damaged_file_is_named(operator, vectors, tmp_path, content):
    stored = StoredProducts(operator, tmp_path)
    product = stored @ vectors[:, 0]
    (path,) = tmp_path.glob("*.npy")
    if content is None:
        np.save(path, np.ones(3, np.float32))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}.*Delete it"):
        stored @ vectors[:, 0]
    path.unlink()
    np.testing.assert_array_equal(stored @ vectors[:, 0], product)


@pytest.mark.parametrize("content", [b"", b'{"point": ', b"\xff\xfe", b"[1]"])
def test_a_damaged_description_is_named(operator, tmp_path, content):
    StoredProducts(operator, tmp_path)
    path = tmp_path / "operator.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} cannot be read.*anew"):
        StoredProducts(operator, tmp_path)
    assert path.read_bytes() == content


def test_what_is_not_finite_is_not_kept(operator, vectors, tmp_path):
    stored = StoredProducts(operator, tmp_path)
    # The largest entries that float32 has, times more than 1.
    for _ in range(2):
        assert not np.all(np.isfinite(stored @ np.full_like(vectors, 3e38)))
    assert not list(tmp_path.glob("*.npy"))
    assert (stored.num_computed, stored.num_read) == (10, 0)
