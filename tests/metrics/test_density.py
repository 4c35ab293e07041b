"""Spectral densities against dense spectra and matrices of known spectrum."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from scipy.special import ndtr

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.density import spectral_density
from keras_sharpness.metrics.numerics.basis import choose_group_size
from keras_sharpness.results import Result

SIZE = 300


def symmetric(eigenvalues, seed=0):
    """A dense symmetric matrix with the given eigenvalues."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((size, size))
    )
    matrix = (q * eigenvalues) @ q.T
    return (matrix + matrix.T) / 2


def goe(size, seed=0):
    """A matrix whose eigenvalues follow the semicircle on [-2, 2]."""
    matrix = np.random.default_rng(seed).standard_normal((size, size))
    return (matrix + matrix.T) / np.sqrt(2 * size)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def smoothed(eigenvalues, result):
    """The exact density under the kernel of a result, by definition."""
    z = (result.grid[:, None] - eigenvalues) / result.kernel_width
    height = result.kernel_width * np.sqrt(2 * np.pi)
    return np.mean(np.exp(-(z**2) / 2), axis=1) / height


def cumulative_error(eigenvalues, result):
    """Largest distance of the smoothed distribution functions."""
    points = result.grid[:, None, None]
    estimate = np.sum(
        result.weights * ndtr((points - result.nodes) / result.kernel_width),
        axis=(1, 2),
    )
    exact = ndtr((points[:, 0] - eigenvalues) / result.kernel_width)
    return np.max(np.abs(estimate / len(result.nodes) - np.mean(exact, axis=1)))


def probe_error(size, num_probes):
    """Largest standard deviation of a share of the eigenvalues.

    The weight of k eigenvalues on one probe of signs has a variance of at
    most 2 k (1 - k / P) / P², which is largest for half of them.
    """
    return np.sqrt(0.5 / size / num_probes)


def test_shares_of_a_diagonal_matrix_are_exact():
    """Signs have the same weight on all axes, so nothing is left to chance."""
    diagonal = np.repeat([-4.0, -1.0, 0.0, 2.0, 50.0], [20, 40, 100, 39, 1])
    result = spectral_density(aslinearoperator(np.diag(diagonal)))
    # Rounding of five products of numbers up to 50.
    assert result.num_products == 50
    np.testing.assert_allclose(
        result.nodes, np.tile([-4, -1, 0, 2, 50], (10, 1)), rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(
        result.weights,
        np.tile([0.1, 0.2, 0.5, 0.195, 0.005], (10, 1)),
        rtol=0,
        atol=1e-13,
    )
    np.testing.assert_allclose(result.negative_share, 0.3, rtol=1e-12)
    assert result.negative_share_standard_error <= 1e-12
    assert result.unresolved_share == 0.0
    np.testing.assert_allclose(result.trace, diagonal.sum(), rtol=1e-12)
    # Nothing but the grid is between the estimate and the definition.
    np.testing.assert_allclose(
        result.density, smoothed(diagonal, result), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    "spectrum",
    [
        np.linspace(-1, 2, SIZE),
        np.r_[np.linspace(-3, -2, 100), np.linspace(1, 2, 200)],
        np.r_[np.geomspace(1e-3, 0.3, 280), np.linspace(2, 10, 20)],
        np.r_[np.zeros(200), np.linspace(-1, 5, 100)],
    ],
    ids=["continuous", "two bands", "outliers", "rank-deficient"],
)
def test_error_bars_are_honest(spectrum):
    """Over 100 seeds the truth lies in the bars as often as they say."""
    operator = aslinearoperator(symmetric(spectrum))
    inside, trace, negative = [], [], []
    for seed in range(100):
        result = spectral_density(operator, num_steps=25, seed=seed)
        truth = smoothed(spectrum, result)
        # Where there are eigenvalues, not the last tail of a kernel.
        there = truth > 1e-3 * truth.max()
        inside.append(
            np.mean(((result.lower <= truth) & (truth <= result.upper))[there])
        )
        trace.append(
            abs(result.trace - spectrum.sum())
            <= 2 * result.trace_standard_error
        )
        negative.append(
            abs(result.negative_share - np.mean(spectrum < 0))
            <= 2 * result.negative_share_standard_error
        )
    # 95 % of points, 91 % where single eigenvalues stand alone; neighbouring
    # points go together, about 20 are free in each of the 100 seeds, and the
    # standard error of the share is at most √(0.1 / 2000) = 0.7 %.
    assert 0.88 <= np.mean(inside) <= 0.985
    # Two standard errors are 95 %: out of 100, 89 to 100 within 3 deviations.
    assert np.mean(trace) >= 0.89
    # The unresolved part comes on top, so these are 95 % at least.
    assert np.mean(negative) >= 0.89


def test_semicircle():
    matrix = goe(500)
    result = spectral_density(aslinearoperator(matrix), num_steps=40)
    # Inside, where the kernel does not reach over the edges at ±2; the grid
    # holds 1 of height 0.32 and the error of a probe's density under σ = 0.05
    # is √(2 / (500 · 0.32 · 2 √π σ)) = 27 %, of ten 8 %; four of these.
    inner = np.abs(result.grid) < 1.5
    semicircle = np.sqrt(4 - result.grid[inner] ** 2) / (2 * np.pi)
    np.testing.assert_allclose(result.density[inner], semicircle, rtol=0.35)
    error = cumulative_error(np.linalg.eigvalsh(matrix), result)
    # A maximum over the grid: four standard deviations of one point.
    assert error <= 4 * probe_error(500, 10)


def test_networks_of_the_oracle(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    result = spectral_density(objective, num_probes=12)
    eigenvalues = data["eigenvalues"]
    size = len(eigenvalues)
    assert cumulative_error(eigenvalues, result) <= 4 * probe_error(size, 12)
    truth = smoothed(eigenvalues, result)
    there = truth > 1e-3 * truth.max()
    # The linear network has a diagonal Hessian, on which signs have no error
    # but rounding.
    slack = 1e-9 * truth.max()
    inside = (result.lower - slack <= truth) & (truth <= result.upper + slack)
    # About 95 % of the points; they go together, so one network's share
    # scatters by √(0.05 · 0.95 / 10), 7 %, where ten of them are free.
    assert np.mean(inside[there]) >= 0.75
    share = np.mean(eigenvalues < -result.tolerance)
    # Once in a thousand a number is 3.3 standard errors off.
    doubt = result.negative_share_standard_error + 1e-12
    assert abs(result.negative_share - share) <= 3.3 * doubt
    slack = 3.3 * result.trace_standard_error + 1e-9 * abs(data["trace"])
    assert abs(result.trace - data["trace"]) <= slack
    assert result.objective == objective.settings
    assert result.operator == "HessianOperator"


@pytest.mark.parametrize("kernel_width", [None, 0.3])
def test_density_integrates_to_one_and_keeps_the_trace(kernel_width):
    matrix = goe(200) + 3 * np.eye(200)
    result = spectral_density(
        aslinearoperator(matrix), num_steps=30, kernel_width=kernel_width
    )
    # 2e-9 of a kernel lies beyond six widths, and about as much is the error
    # of the trapezoidal rule at the ends.
    integral = np.trapezoid(result.density, result.grid)
    np.testing.assert_allclose(integral, 1.0, rtol=0, atol=5e-9)
    np.testing.assert_allclose(200 * result.mean, result.trace, rtol=1e-8)
    assert result.moment_error <= 1e-8
    assert kernel_width in (None, result.kernel_width)


def test_grid_that_is_too_short_shows_in_the_moment():
    operator = aslinearoperator(goe(100))
    with pytest.warns(UserWarning, match="Pass a larger `grid_size`"):
        result = spectral_density(operator, grid_size=5, num_steps=30)
    assert len(result.grid) == 5
    assert result.moment_error > 1e-3


def test_kernel_hides_the_gaps_of_a_continuous_spectrum():
    """Not one bump per Ritz value, and no wider than needed for that."""
    spectrum = np.linspace(-1, 1, 1000)
    operator = aslinearoperator(np.diag(spectrum))
    result = spectral_density(operator, num_probes=1, num_steps=30)
    inner = np.abs(result.grid) < 0.8
    # On a diagonal matrix signs are exact, so ripples are the quadrature's:
    # exp(-(2 m σ)²/2), σ in units of the half range, is 1e-4 for σ = 0.07.
    np.testing.assert_allclose(result.density[inner], 0.5, rtol=0.01)
    narrow = spectral_density(
        operator,
        num_probes=1,
        num_steps=30,
        kernel_width=result.kernel_width / 4,
    )
    inner = np.abs(narrow.grid) < 0.8
    assert np.ptp(narrow.density[inner]) > 0.1


def test_unresolved_eigenvalues_are_not_called_negative_for_sure():
    """One Ritz value for 98 % of the spectrum, of whichever sign."""
    generator = np.random.default_rng(4)
    small = 1e-6 * generator.standard_normal(490)
    spectrum = np.r_[small, np.linspace(-3, -1, 5), np.linspace(1, 9, 5)]
    operator = aslinearoperator(symmetric(spectrum))
    result = spectral_density(operator, num_steps=8)
    assert result.unresolved_share > 0.9
    off = abs(result.negative_share - np.mean(spectrum < 0))
    assert off <= 2 * result.negative_share_standard_error
    assert result.negative_share_standard_error > 0.1
    # Positive for sure: there is no negative Ritz value.
    positive = aslinearoperator(symmetric(np.abs(spectrum)))
    result = spectral_density(positive, num_steps=8)
    assert result.negative_share == result.unresolved_share == 0.0


def test_zeros_of_inexact_products_are_not_negative():
    """Rank 40 of 200, in float32, from which zeros come out as ±1e-7."""
    factor = np.random.default_rng(5).standard_normal((200, 40))
    factor = factor.astype(np.float32)
    operator = LinearOperator(
        (200, 200),
        matvec=lambda v: factor @ (factor.T @ v.astype(np.float32)),
        matmat=lambda v: factor @ (factor.T @ v.astype(np.float32)),
        dtype=np.float32,
    )
    result = spectral_density(operator, num_steps=60)
    largest = np.linalg.norm(factor, 2) ** 2
    assert result.nodes.min() < 0.0
    # Above rounding of float32, below anything that matters.
    assert 1e-8 * largest < result.tolerance < 1e-5 * largest
    assert result.negative_share == 0.0


def test_group_size_changes_rounding_only():
    operator = aslinearoperator(goe(100))
    one_basis = 31 * 100 * 8
    results = [
        spectral_density(operator, num_steps=30, max_memory=bases * one_basis)
        for bases in (1, 3, 100)
    ]
    assert [result.group_size for result in results] == [1, 3, 5]
    for result in results[1:]:
        # Rounding of 30 steps; the Ritz values are well conditioned.
        np.testing.assert_allclose(
            result.nodes, results[0].nodes, rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(
            result.density, results[0].density, rtol=1e-9, atol=1e-12
        )


def test_more_probes_keep_the_first_ones():
    operator = aslinearoperator(goe(100))
    few = spectral_density(operator, num_probes=2, num_steps=20)
    many = spectral_density(operator, num_probes=11, num_steps=20)
    # Groups of another size: rounding.
    np.testing.assert_allclose(many.nodes[:2], few.nodes, rtol=0, atol=1e-12)


def test_float32_basis_agrees():
    operator = aslinearoperator(goe(200))
    double, single = (
        spectral_density(operator, num_steps=30, basis_dtype=dtype)
        for dtype in ("float64", "float32")
    )
    # T is off by roundings of float32, 6e-8 of the norm 2 each.
    np.testing.assert_allclose(single.nodes, double.nodes, rtol=0, atol=1e-6)
    np.testing.assert_allclose(single.density, double.density, atol=1e-5)


def test_same_seed_same_bits_and_round_trip(tmp_path):
    operator = aslinearoperator(goe(60))
    first, second = (
        spectral_density(operator, num_steps=20, seed=5) for _ in range(2)
    )
    np.testing.assert_array_equal(first.density, second.density)
    other = spectral_density(operator, num_steps=20, seed=6)
    assert not np.array_equal(first.density, other.density)
    first.save(tmp_path / "density.json")
    loaded = Result.load(tmp_path / "density.json")
    for field in dataclasses.fields(first):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(first, field.name)
        )
    frame = first.to_frame()
    assert list(frame) == ["eigenvalue", "density", "lower", "upper"]
    assert len(frame) == len(first.grid)


def test_single_probe_has_no_error_bars():
    result = spectral_density(aslinearoperator(goe(50)), num_probes=1)
    assert np.all(np.isnan(result.lower))
    assert np.all(np.isnan(result.upper))
    assert np.isnan(result.trace_standard_error)
    assert np.isnan(result.negative_share_standard_error)
    assert np.all(np.isfinite(result.density))


@pytest.mark.parametrize("value", [0.0, 1e-30, -7.0, 1e30])
def test_single_eigenvalue(value):
    """No range to take a kernel width from; more steps than weights."""
    for size in (1, 30):
        operator = aslinearoperator(value * np.eye(size))
        result = spectral_density(operator, num_probes=2)
        # One product ends each run.
        assert result.num_products == 2
        np.testing.assert_allclose(result.nodes, value, rtol=1e-14)
        np.testing.assert_allclose(result.weights, 1.0, rtol=1e-14)
        integral = np.trapezoid(result.density, result.grid)
        np.testing.assert_allclose(integral, 1.0, rtol=0, atol=5e-9)
        assert result.negative_share == float(value < 0)
        assert result.moment_error <= 1e-8


def test_progress_counts_products():
    seen = []
    spectral_density(
        aslinearoperator(goe(40)),
        num_probes=3,
        num_steps=4,
        progress=lambda *step: seen.append(step),
    )
    assert seen == [(n, 12) for n in range(1, 13)]


def test_memory_decides_how_many_advance_together():
    # C2: 15 million weights, 80 steps and what is left: 9.7 GB for a basis.
    assert choose_group_size(10, 80, 15_000_000, "float64", 12 << 30) == 1
    assert choose_group_size(10, 80, 15_000_000, "float32", 12 << 30) == 2
    # Two groups of five rather than eight and two.
    assert choose_group_size(10, 80, 1000, "float64", 12 << 30) == 5
    assert choose_group_size(3, 80, 1000, "float64") == 3
    with pytest.raises(ValueError, match=r"takes 9\.72 GB .*`max_memory`"):
        choose_group_size(10, 80, 15_000_000, "float64", 8 << 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_probes": 0}, "`num_probes` must be an integer of at least 1"),
        ({"num_steps": 1}, "`num_steps` must be an integer of at least 2"),
        ({"grid_size": 1}, "`grid_size` must be an integer of at least 2"),
        ({"kernel_width": 0.0}, "`kernel_width` must be a positive"),
        ({"kernel_width": np.inf}, "`kernel_width` must be a positive"),
        ({"basis_dtype": "float16"}, "'float64', 'float32'"),
        ({"max_memory": 0}, "`max_memory` must be an integer of at least 1"),
        ({"max_memory": 100}, "basis of one probe"),
        ({"w": np.zeros(4)}, "`w` goes with an Objective"),
    ],
)
def test_bad_options_name_the_remedy(options, message):
    def refuse(block):
        pytest.fail("work began")

    operator = LinearOperator(
        (4, 4), matvec=refuse, matmat=refuse, dtype=np.float64
    )
    with pytest.raises(ValueError, match=message):
        spectral_density(operator, **options)


def test_products_that_are_not_finite_are_an_error():
    operator = aslinearoperator(np.diag([1.0, np.inf, 1.0]))
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        spectral_density(operator)
