"""Extreme eigenvalues by block Lanczos with thick restart."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_sharpness.metrics.flat_arrays import MAX_BLOCK
from keras_sharpness.metrics.numerics.basis import Basis
from keras_sharpness.metrics.numerics.lanczos import Lanczos, Ritz
from keras_sharpness.metrics.numerics.missed_eigenvalues import (
    Doubt,
    missed_eigenvalues,
)

# Of the tolerance: as much of the length of vectors to start from is random if
# nothing is to be checked. It is a part of the residual, and grows into an
# eigenvector that was not among them within a few products.
_RANDOM_PART = 0.4


@dataclasses.dataclass(frozen=True)
class Extremes:
    """Eigenvalues at the ends of a spectrum.

    Attributes:
        values: Array (n,), descending.
        residuals: Array (n,). ‖A u − θ u‖, and what rounding may add.
        settled: Array (n,), bool. Whether residuals are small enough.
        converged: Array (n,), bool. Settled, and nothing missed.
        vectors: Callable without arguments, the eigenvectors (P, n).
        num_checking: Int. Products after the residuals were small enough.
    """

    values: np.ndarray
    residuals: np.ndarray
    settled: np.ndarray
    converged: np.ndarray
    vectors: Callable[[], np.ndarray]
    num_checking: int = 0


def thick_restart_lanczos(
    multiply: Callable[[Any], Any],
    size: int,
    *,
    k: int,
    which: str,
    tolerance: float,
    max_products: int,
    seed: int,
    block_size: int,
    make_basis: Callable[[int], Basis],
    initial_vectors: np.ndarray | None = None,
    rounding: float = 0.0,
    underflow: float = 0.0,
    miss_probability: float | None = 1e-3,
) -> Extremes:
    """The n largest or smallest eigenvalues of a symmetric operator, or both.

    Keeps `2 n + 20` vectors of P numbers, n = k or, for both ends, 2k. When
    they are full, the wanted Ritz vectors and half of the others become the
    new basis.

    A small residual says that an eigenvalue is near, not which. So the search
    stops when the residuals ‖A u − θ u‖ are at most `tolerance · |θ|`, or for
    the smallest `tolerance · max |θ|`, and when by the random vectors it
    started from an eigenvalue that lies as much further out than one of those
    found, or is another copy of one, would have been missed with at most
    `miss_probability`. Where there are as many copies as start vectors it takes
    twice as many, and goes on. Everything is relative to the largest Ritz
    value: matrices may be as large or small as float64 allows.

    Args:
        multiply: Callable, a block of the basis (P, b) → A times it.
        size: Int. P.
        k: Int. How many, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` or `"both"`.
        tolerance: Float. Relative residual.
        max_products: Int, at least n.
        seed: Int. For the start vectors, which are N(0, 1).
        block_size: Int, at most `MAX_BLOCK`. How many vectors to start from.
        make_basis: Callable, capacity → empty `Basis`.
        initial_vectors: Array (P, m), to start from too: from as many
            combinations of them, where there are more.
        rounding: Float. Machine epsilon of the products.
        underflow: Float. The length below which a product may be zero.
        miss_probability: Float, or None to stop by the residuals alone;
            `initial_vectors` then stand in for random ones.

    Returns:
        `Extremes`.

    Reference:
        Wu and Simon 2000, https://doi.org/10.1137/S0895479898334605.
    """
    generator = np.random.default_rng(seed)
    wanted = 2 * k if which == "both" else k
    num_starts = min(block_size, size)
    checks = miss_probability is not None
    start = None
    if initial_vectors is not None:
        start = _combine(initial_vectors, num_starts, generator)
        if not checks:
            start = _blurred(start, _RANDOM_PART * tolerance, generator)
    both = num_starts if start is not None and checks else 0
    # Where all of the space has room, so have the products of the last step.
    basis = make_basis(min(2 * wanted + 20 + both, size + MAX_BLOCK))
    lanczos = Lanczos(multiply, basis, num_ends=2 if which == "both" else 1)
    if start is not None:
        lanczos.wait(start.T, is_random=False)
        del start
    missing = num_starts if checks else num_starts - lanczos.num_waiting
    if missing:
        lanczos.wait(generator.standard_normal((missing, size)).T)
    # Products of float16 are off by 0.8 of its epsilon, of bfloat16 by 1.3; the
    # errors of a basis add up over its vectors.
    error = 10 * basis.epsilon + 2 * rounding
    num_products = num_settling = 0
    count = min(lanczos.num_waiting, max_products, MAX_BLOCK)
    while True:
        lanczos.step(count)
        num_products += count
        ritz = lanczos.ritz()
        found = _choose(len(ritz.values), k, which)
        scales = np.abs(ritz.values[found])
        norm = np.max(np.abs(ritz.values))
        if which != "largest":
            scales[-k:] = norm
        floor = error * norm
        # Any eigenvalue at all is beyond those of the zero matrix.
        margins = np.maximum(tolerance * scales, floor or 1.0)
        settled = converged = ritz.residuals[found] <= margins
        unsettled = found[~settled]
        is_complete = lanczos.num_vectors == size
        is_last = is_complete or num_products == max_products
        is_settled = len(found) == wanted and not len(unsettled)
        num_settling = num_settling or is_settled * num_products
        doubt = None
        if checks and not is_complete and (is_settled or is_last):
            doubt = _doubt(ritz, found, margins, which, floor)
            converged = settled & (doubt.chances <= miss_probability)
        if is_last or (is_settled and np.all(converged)):
            break
        if is_settled:
            directions = doubt.directions
            count = _rank(directions)
        else:
            # At least two, as they cost little more than one.
            directions = ritz.couplings[:, unsettled]
            count = max(len(unsettled), 2)
        fresh = 0
        if not lanczos.num_waiting:
            fresh = 1
        elif is_settled and doubt.num_starts > num_starts:
            # As many again: copies come in tens, where there are ten outputs.
            fresh = min(num_starts, wanted - num_starts, MAX_BLOCK)
        fresh = min(fresh, size - lanczos.num_vectors - lanczos.num_waiting)
        count = min(
            fresh or min(count, lanczos.num_waiting),
            max_products - num_products,
            MAX_BLOCK,
        )
        if lanczos.num_free < fresh + count:
            _restart(lanczos, ritz, wanted, which, fresh + count, margins)
        if fresh:
            lanczos.wait(generator.standard_normal((fresh, size)).T)
            num_starts += fresh
            directions = np.eye(lanczos.num_waiting)[:, -fresh:]
        if count < lanczos.num_waiting and directions.size:
            lanczos.sort_waiting(directions)
    unit = lanczos.unit or 1.0
    return Extremes(
        values=ritz.values[found] * unit,
        residuals=(ritz.residuals[found] + floor) * unit + underflow,
        settled=settled,
        converged=converged,
        vectors=lambda: lanczos.vectors(ritz.coordinates[:, found]),
        num_checking=num_products - (num_settling or num_products),
    )


def _doubt(
    ritz: Ritz,
    found: np.ndarray,
    margins: np.ndarray,
    which: str,
    rounding: float,
) -> Doubt:
    """What may have been missed at the ends that are asked for."""
    if which == "both":
        top, bottom = (
            _doubt(ritz, places, part, end, rounding)
            for places, part, end in zip(
                np.array_split(found, 2),
                np.array_split(margins, 2),
                ("largest", "smallest"),
                strict=True,
            )
        )
        worse = top if np.max(top.chances) > np.max(bottom.chances) else bottom
        return Doubt(
            np.append(top.chances, bottom.chances),
            max(top.num_starts, bottom.num_starts),
            worse.directions,
        )
    if which == "largest":
        return missed_eigenvalues(ritz, found, margins, rounding=rounding)
    doubt = missed_eigenvalues(
        ritz, found[::-1], margins[::-1], rounding=rounding, largest=False
    )
    return dataclasses.replace(doubt, chances=doubt.chances[::-1])


def _rank(directions: np.ndarray) -> int:
    """How many vectors make up most of some directions, at least 1."""
    sizes = np.linalg.svd(directions, compute_uv=False)
    return max(1, int(np.sum(sizes > 0.1 * np.max(sizes, initial=0.0))))


def _blurred(
    vectors: np.ndarray, part: float, generator: np.random.Generator
) -> np.ndarray:
    """Vectors (b, P) with something random in them, of length about 1."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    start = generator.standard_normal(vectors.shape)
    start *= part / np.sqrt(vectors.shape[1])
    start += vectors / np.sqrt(squares)[:, None]
    return start


def _combine(
    vectors: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """At most `count` combinations (b, P) of vectors (P, m).

    A block of all vectors would be slower as soon as they are a little out of
    date. The top five of F1 took 20 products one training step later, and 24
    four steps later; from all five vectors at once 26 and 32; from random
    vectors 26 and 30.
    """
    if vectors.shape[1] <= count:
        return vectors.T
    # Each vector has the same length in the combinations together.
    weights = generator.standard_normal((vectors.shape[1], count))
    squares = np.einsum("ij,ij->j", vectors, vectors, dtype=np.float64)
    norms = np.linalg.norm(weights, axis=1) * np.sqrt(squares)
    return (weights / norms[:, None]).T @ vectors.T


def _choose(available: int, k: int, which: str) -> np.ndarray:
    """Places of the wanted among ascending values, largest first."""
    places = np.arange(available)[::-1]
    if which == "both":
        return places if available <= 2 * k else np.r_[places[:k], places[-k:]]
    return places[:k] if which == "largest" else places[-k:]


def _restart(
    lanczos: Lanczos,
    ritz: Ritz,
    wanted: int,
    which: str,
    count: int,
    margins: np.ndarray,
) -> None:
    """Makes room for `count` more vectors."""
    size = lanczos.num_vectors
    # Half of the others: between a quarter and all, the number of products
    # hardly changed on the spectra of networks.
    kept = min((wanted + size) // 2, size + lanczos.num_free - count)
    kept = _choose(size, kept // 2 if which == "both" else kept, which)
    k = wanted // 2 if which == "both" else wanted
    levels = []
    if which != "smallest":
        levels.append(ritz.values[-k] + margins[k - 1])
    if which != "largest":
        levels.append(ritz.values[k - 1] - margins[-k])
    lanczos.restart(ritz, kept, levels)
