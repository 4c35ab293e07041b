"""Extreme eigenvalues by block Lanczos with thick restart."""

from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.chunks import chunks
from keras_sharpness.metrics.compiled.block_size import MAX_BLOCK
from keras_sharpness.metrics.krylov.basis_dtype import BasisDtype
from keras_sharpness.metrics.krylov.lanczos import Lanczos, Ritz

_PIECE = 2**14


def thick_restart_lanczos(
    multiply: Callable[[np.ndarray], np.ndarray],
    size: int,
    *,
    k: int,
    which: str,
    tolerance: float,
    max_products: int,
    seed: int,
    block_size: int,
    initial_vectors: np.ndarray | None = None,
    basis_dtype: BasisDtype = "float64",
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[], np.ndarray]]:
    """The n largest or smallest eigenvalues of a symmetric operator, or both.

    Keeps `2 n + 20` vectors of P numbers, n = k or, for both ends, 2k. When
    they are full, the wanted Ritz vectors and half of the others become the
    new basis. Stops when the residuals ‖A u − θ u‖ are at most
    `tolerance · |θ|`; when some are and others are not, multiplies no more
    vectors at a time than there are others, or two.

    Args:
        multiply: Callable, (P, b) → A times it (P, b).
        size: Int. P.
        k: Int. How many, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` or `"both"`.
        tolerance: Float. Relative residual.
        max_products: Int, at least n.
        seed: Int. For the start vectors, which are N(0, 1).
        block_size: Int, at most `MAX_BLOCK`. How many vectors to start from.
        initial_vectors: Array (P, m), to start from instead: from as many
            combinations of them, where there are more.
        basis_dtype: Str. What the vectors are kept in.

    Returns:
        Eigenvalues (n,) descending, residuals (n,), whether these are below
        the tolerance, or what rounding allows, (n,), and a function that
        returns the vectors (P, n).

    Reference:
        Wu and Simon 2000, https://doi.org/10.1137/S0895479898334605.
    """
    generator = np.random.default_rng(seed)
    epsilon = float(np.finfo(basis_dtype).eps)
    wanted = 2 * k if which == "both" else k
    # Where all of the space has room, so have the products of the last step.
    capacity = min(2 * wanted + 20, size + MAX_BLOCK)
    block_size = min(block_size, size)
    if initial_vectors is None:
        start = generator.standard_normal((block_size, size))
    else:
        start = _combine(initial_vectors, block_size, generator)
        if block_size == wanted == 1:
            pair, multiply = _first_pair(
                multiply, start[0], tolerance, 10 * epsilon
            )
            if pair is not None:
                return pair
    lanczos = Lanczos(
        multiply, start, capacity=capacity, basis_dtype=basis_dtype
    )
    del start
    missing = block_size - lanczos.num_waiting
    if missing:
        lanczos.wait(generator.standard_normal((missing, size)), keep=True)
    num_products = 0
    count = min(lanczos.num_waiting, max_products)
    settled = None
    while True:
        lanczos.step(count)
        num_products += count
        ritz = lanczos.ritz()
        floor = 10 * epsilon * np.max(np.abs(ritz.values))
        found = _choose(len(ritz.values), k, which)
        values = ritz.values[found]
        bounds = np.maximum(tolerance * np.abs(values), floor)
        unsettled = found[ritz.residuals[found] > bounds]
        if settled is not None:
            unsettled = np.append(unsettled, _rivals(ritz, found, floor))
        enough = len(found) == wanted and not len(unsettled)
        if num_products == max_products or lanczos.num_vectors == size:
            break
        # What still waits may be rounding errors.
        invariant = np.all(ritz.residuals <= floor)
        if enough and not invariant:
            break
        # At least two, as they cost little more than one.
        count = max(len(unsettled), 2)
        if invariant:
            # The basis spans an invariant subspace, and says nothing of what
            # is orthogonal to it: more copies of an eigenvalue than there were
            # start vectors, eigenvectors that `initial_vectors` had no part
            # of. New random vectors look there, until nothing that they find
            # can be among the wanted any more.
            if enough and _same(values, settled, tolerance, floor):
                break
            settled = values
            lanczos.wait(generator.standard_normal((block_size, size)))
            count = lanczos.num_waiting
        count = min(count, lanczos.num_waiting, max_products - num_products)
        if count < lanczos.num_waiting and len(unsettled):
            lanczos.sort_waiting(ritz.coordinates[:, unsettled])
        if lanczos.num_free < count:
            _restart(lanczos, ritz, wanted, which, count)
    return (
        values,
        ritz.residuals[found],
        ~np.isin(found, unsettled),
        lambda: lanczos.vectors(ritz.coordinates[:, found]),
    )


def _first_pair(
    multiply: Callable[[np.ndarray], np.ndarray],
    vector: np.ndarray,
    tolerance: float,
    least: float,
) -> tuple[tuple | None, Callable[[np.ndarray], np.ndarray]]:
    """What a start vector is worth, before room is made for a basis.

    Where it is good enough, as one from an earlier search or from a part of
    the data may be, a basis of this one vector would take half as long as the
    product: 45 ms of 150 on F1.

    Returns:
        What the search returns, or None if it has to go on; and `multiply`,
        which knows the first product then.
    """
    product = multiply(vector[:, None])
    # By pieces that stay in the cache, and not by BLAS: its threads keep
    # spinning for a while after a long dot product, on the cores that the
    # next product needs.
    pieces = [
        (vector[part], product[part, 0])
        for part in chunks(0, len(vector), _PIECE)
    ]
    square = sum(np.einsum("i,i", v, v) for v, _ in pieces)
    value = float(sum(np.einsum("i,i", v, p) for v, p in pieces) / square)
    rests = (p - value * v for v, p in pieces)
    residual = float(np.sqrt(sum(np.einsum("i,i", r, r) for r in rests)))
    length = float(np.sqrt(square))
    residual /= length
    # An exact eigenvector calls for a look at what is orthogonal to it.
    if least * abs(value) < residual <= tolerance * abs(value):
        pair = (
            np.array([value]),
            np.array([residual]),
            np.array([True]),
            lambda: (vector / length)[:, None],
        )
        return pair, multiply
    # Lanczos asks first for the product with the vector of length 1.
    known = [product / length]
    return None, lambda block: known.pop() if known else multiply(block)


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


def _rivals(ritz: Ritz, found: np.ndarray, floor: float) -> np.ndarray:
    """Places of pairs that may, by their residuals, belong before the found."""
    others = np.setdiff1d(np.arange(len(ritz.values)), found)
    if not len(others):
        return others
    # Places are in order of the values.
    above = ritz.values[found[found > others[-1]]]
    below = ritz.values[found[found < others[0]]]
    values, residuals = ritz.values[others], ritz.residuals[others] - floor
    return others[
        (values + residuals > np.min(above, initial=np.inf))
        | (values - residuals < np.max(below, initial=-np.inf))
    ]


def _same(
    values: np.ndarray,
    before: np.ndarray | None,
    tolerance: float,
    floor: float,
) -> bool:
    return (
        before is not None
        and len(before) == len(values)
        and np.allclose(values, before, rtol=tolerance, atol=floor)
    )


def _restart(
    lanczos: Lanczos, ritz: Ritz, wanted: int, which: str, count: int
) -> None:
    """Makes room for products with `count` vectors."""
    size = lanczos.num_vectors
    # Half of the others: between a quarter and all, the number of products
    # hardly changed on the spectra of networks.
    kept = min((wanted + size) // 2, size + lanczos.num_free - count)
    kept = _choose(size, kept // 2 if which == "both" else kept, which)
    lanczos.restart(ritz.values[kept], ritz.coordinates[:, kept])
