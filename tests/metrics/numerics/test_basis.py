"""Bases on the host and on the device: the same operations, in NumPy."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.numerics.basis import (
    DeviceBasis,
    HostBasis,
    choose_group_size,
)
from keras_sharpness.metrics.numerics.lanczos import Lanczos
from keras_sharpness.metrics.numerics.thick_restart import (
    thick_restart_lanczos,
)

# More than one panel of the host's.
SIZE = 20_000
MAKERS = {
    "host": lambda capacity, dtype: HostBasis(SIZE, capacity, dtype=dtype),
    "device": lambda capacity, dtype: DeviceBasis(capacity, dtype=dtype),
}
places = pytest.mark.parametrize("place", MAKERS)
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def normal(count, size=SIZE, seed=0):
    """Rows of length about 1."""
    rows = np.random.default_rng(seed).standard_normal((count, size))
    return rows / np.sqrt(size)


def filled(place, dtype, rows, capacity=9):
    """A basis that holds some rows, and these as its dtype rounds them."""
    basis = MAKERS[place](capacity, dtype)
    basis.append(rows.T)
    return basis, rows.astype(dtype).astype(np.float64)


def rows_of(basis):
    return np.asarray(basis.block(0, len(basis))).T


def near(found, expected, dtype):
    # Sums of SIZE products of rows of length 1, in the order of the framework
    # or of BLAS: its square root many roundings at the most, and each entry of
    # a combination of ten rows a few.
    rounding = np.finfo(dtype).eps
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=np.sqrt(SIZE) * rounding
    )


@places
@dtypes
def test_dot_products(place, dtype):
    basis, rows = filled(place, dtype, normal(7))
    assert len(basis) == 7
    overlap, gram = basis.dot(3)
    near(overlap, rows[4:] @ rows[:4].T, dtype)
    near(gram, rows[4:] @ rows[4:].T, dtype)
    overlap, _ = basis.dot(3, first=2)
    np.testing.assert_array_equal(overlap[:, :2], 0.0)
    near(overlap[:, 2:], rows[4:] @ rows[2:4].T, dtype)


@places
@dtypes
@pytest.mark.parametrize("rank", [3, 2])
def test_a_combination_is_taken_away(place, dtype, rank):
    basis, rows = filled(place, dtype, normal(7))
    combination = normal(3, 4, seed=1)
    combination[:, 0] = 0.0
    mix = normal(rank, 3, seed=2)
    overlap, gram = basis.subtract(combination, mix, measure=True)
    expected = mix @ (rows[4:] - combination @ rows[:4])
    assert len(basis) == 4 + rank
    near(rows_of(basis), np.vstack([rows[:4], expected]), dtype)
    near(overlap, expected @ rows[:4].T, dtype)
    near(gram, expected @ expected.T, dtype)


@places
@dtypes
def test_nothing_is_left(place, dtype):
    basis, rows = filled(place, dtype, normal(3))
    overlap, gram = basis.subtract(
        np.ones((1, 2)), np.zeros((0, 1)), measure=True
    )
    assert overlap.shape == (0, 2)
    assert gram.shape == (0, 0)
    near(rows_of(basis), rows[:2], dtype)


@places
@dtypes
def test_rotations_and_combinations(place, dtype):
    basis, rows = filled(place, dtype, normal(7))
    matrix = normal(2, 4, seed=1)
    basis.rotate(1, matrix)
    expected = np.vstack([rows[:1], matrix @ rows[1:5], rows[5:]])
    near(rows_of(basis), expected, dtype)
    coordinates = normal(2, 3, seed=2).T
    found = basis.combine(coordinates)
    assert found.dtype == np.float64
    near(found, expected[:3].T @ coordinates, dtype)
    # What is free again is taken again.
    basis.append(rows[:4].T)
    assert len(basis) == basis.capacity == 9
    near(rows_of(basis)[5:], rows[:4], dtype)


@places
@dtypes
@pytest.mark.parametrize("scale", [1.0, 3e-30, 7e30])
def test_units_keep_entries_near_one(place, dtype, scale):
    basis = MAKERS[place](2, dtype)
    vectors = keras.ops.convert_to_tensor(scale * normal(2).T, dtype)
    if place == "host":
        vectors = np.asarray(vectors)
    unit = basis.unit(vectors)
    assert np.frexp(unit)[0] == 0.5
    basis.append(vectors, unit)
    largest = np.max(np.abs(rows_of(basis)))
    assert 0.5 <= largest < 1.0
    # A power of two rounds nothing.
    np.testing.assert_array_equal(
        rows_of(basis).astype(np.float64) * unit,
        np.asarray(vectors, np.float64).T,
    )
    assert basis.unit(0 * vectors) is None


def test_vectors_stay_on_the_device():
    basis = DeviceBasis(2)
    basis.append(keras.ops.ones((4, 2)))
    assert keras.ops.is_tensor(basis.block(0, 2))
    assert keras.backend.standardize_dtype(basis.block(0, 1).dtype) == "float32"


@places
@dtypes
def test_lanczos_knows_nothing_of_the_place(place, dtype):
    """The same Ritz pairs of a diagonal matrix, through restarts."""
    entries = np.r_[3.0, 3.0, 2.5, np.linspace(-1, 2, 497)]
    diagonal = {
        "host": entries[:, None],
        "device": keras.ops.convert_to_tensor(entries[:, None], dtype),
    }[place]
    makers = {
        "host": lambda capacity: HostBasis(500, capacity, dtype=dtype),
        "device": lambda capacity: DeviceBasis(capacity, dtype=dtype),
    }
    found = thick_restart_lanczos(
        lambda block: diagonal * block,
        500,
        k=3,
        which="largest",
        tolerance=1e-4,
        max_products=500,
        seed=0,
        block_size=2,
        make_basis=makers[place],
        rounding=float(np.finfo(dtype).eps),
    )
    assert np.all(found.converged)
    # The square of the residual over a gap of half, or rounding.
    accuracy = 2e-7 + 1e2 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        found.values, [3.0, 3.0, 2.5], rtol=0, atol=accuracy
    )
    vectors = found.vectors()
    rest = entries[:, None] * vectors - vectors * found.values
    assert np.all(np.linalg.norm(rest, axis=0) <= found.residuals + accuracy)


@dtypes
def test_an_invariant_subspace_on_the_device(dtype):
    entries = keras.ops.convert_to_tensor([[2.0], [1.0], [0.0], [0.0]], dtype)
    lanczos = Lanczos(
        lambda block: entries * block, DeviceBasis(5, dtype=dtype)
    )
    lanczos.wait(np.array([[3.0], [4.0], [0.0], [0.0]]), is_random=False)
    lanczos.step(1)
    lanczos.step(1)
    assert lanczos.num_waiting == 0
    ritz = lanczos.ritz()
    # A few roundings of numbers near 1.
    np.testing.assert_allclose(
        ritz.values * lanczos.unit,
        [1.0, 2.0],
        rtol=0,
        atol=10 * np.finfo(dtype).eps,
    )


@pytest.mark.parametrize(
    ("num_probes", "room", "expected"),
    # Ten probes in groups of at most 8 are two of 5; of at most 4, 4, 3 and 3.
    [(10, 8, 5), (10, 4, 4), (3, 8, 3), (10, 1, 1)],
)
def test_even_groups_within_the_memory(num_probes, room, expected):
    one = 21 * 4 * 1000
    found = choose_group_size(num_probes, 20, 1000, "float32", room * one)
    assert found == expected


def test_not_even_one_basis():
    with pytest.raises(ValueError, match="max_memory"):
        choose_group_size(1, 20, 1000, "float64", 21 * 8 * 1000 - 1)
