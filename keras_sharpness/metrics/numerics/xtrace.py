"""XTrace: every probe is deflated by all the others."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.flat_arrays import chunks
from keras_sharpness.metrics.numerics.probes import Sketch


@dataclasses.dataclass(frozen=True)
class LeaveOneOut:
    """The estimates that leave out one probe each, for every segment of rows.

    Attributes:
        samples: Array (S, k). The trace as estimated with probe i, on the
            basis that the others span; their mean over i is the XTrace
            estimate.
        interactions: Array (S, k, k). What sample i owes to probe j being in
            its basis: sample i less the same without both; 0 for i = j.
    """

    samples: np.ndarray
    interactions: np.ndarray


class XTrace:
    """Leave-one-out estimates of the trace of each segment of rows.

    With probes ωᵢ, yᵢ = A ωᵢ and Pᵢ the projector on the span of all y but
    yᵢ, sample i of the trace over the rows E is

        tr E (PᵢA + APᵢ − PᵢAPᵢ) + ωᵢᵀ E (I − Pᵢ) A (I − Pᵢ) ωᵢ ,

    the first part exact, the second Hutchinson's estimate of the rest of A:
    for all rows this is XTrace as published. It costs two products for each
    probe, A ωᵢ and A times a basis of the yᵢ.

    Each sample is unbiased, but they are not independent: j stands in the
    basis of i and i in that of j. Let δᵢⱼ be what sample i changes by as j
    enters its basis. Given all other probes, the mean of δᵢⱼ over ωᵢ is 0, so
    that Cov(sample i, sample j) = E[δᵢⱼ δⱼᵢ], which the interactions
    estimate without bias. Leaving it out understates the standard error by up
    to √2, which it does for slowly decaying spectra.

    Args:
        multiply: Callable, (P, b) → A times it (P, b). A is symmetric.
        cuts: Array (S + 1,) of int. Where the segments of rows begin and end.

    Reference:
        Epperly, Tropp and Webber 2024, https://arxiv.org/abs/2301.07825,
        section 2.1 for the estimate. The covariance is this module's own.
    """

    def __init__(
        self, multiply: Callable[[np.ndarray], np.ndarray], cuts: np.ndarray
    ):
        self._multiply = multiply
        self._cuts = cuts
        self._sketch = Sketch(multiply, int(cuts[-1]))
        self._probes: list[np.ndarray] = []  # (b, P) each
        self._coordinates: list[np.ndarray] = []  # (r so far, b) each

    def extend(self, probes: np.ndarray) -> np.ndarray:
        """Takes in more probes.

        Args:
            probes: Array (P, b) of −1 and 1.

        Returns:
            Array (P, b), A times them.
        """
        # A byte for each entry: an eighth of what a vector of A takes.
        self._probes.append(np.ascontiguousarray(probes.T).astype(np.int8))
        images = self._multiply(probes)
        self._coordinates.append(self._sketch.extend(images))
        return images

    def leave_one_out(self) -> LeaveOneOut:
        """The estimates from the probes so far, without any more products."""
        grams = [
            self._grams(*ends)
            for ends in zip(self._cuts[:-1], self._cuts[1:], strict=True)
        ]
        known = sum(gram.known for gram in grams)
        overlaps = sum(gram.overlaps for gram in grams)
        rank, count = overlaps.shape
        coordinates = np.zeros((rank, count))  # yᵢ = Q coordinates[:, i]
        start = 0
        for block in self._coordinates:
            columns = slice(start, start + block.shape[1])
            coordinates[: len(block), columns] = block
            start += block.shape[1]
        algebra = _Algebra(
            (known + known.T) / 2.0, overlaps, coordinates, _duals(coordinates)
        )
        estimates = [algebra.estimate(gram) for gram in grams]
        return LeaveOneOut(
            np.stack([samples for samples, _ in estimates]),
            np.stack([interactions for _, interactions in estimates]),
        )

    def _grams(self, start: int, stop: int) -> "_Grams":
        total = None
        for part in chunks(start, stop):
            basis, images = self._sketch.rows(part)
            probes = np.concatenate([b[:, part] for b in self._probes])
            probes = probes.astype(np.float64).T
            gram = _Grams(
                basis @ basis.T,
                basis @ images.T,
                basis @ probes,
                images @ probes,
            )
            total = gram if total is None else total + gram
        return total


@dataclasses.dataclass(frozen=True)
class _Grams:
    """Products of Q, Z = A Q and the probes Ω over some rows E."""

    basis: np.ndarray  # QᵀEQ (r, r)
    known: np.ndarray  # QᵀEZ (r, r)
    overlaps: np.ndarray  # QᵀEΩ (r, k)
    images: np.ndarray  # ZᵀEΩ (r, k)

    def __add__(self, other: "_Grams") -> "_Grams":
        names = (field.name for field in dataclasses.fields(self))
        return _Grams(*(getattr(self, n) + getattr(other, n) for n in names))


def _duals(coordinates: np.ndarray) -> np.ndarray:
    """Unit vectors (r, k), each orthogonal to all columns but its own.

    Pᵢ = Q (I − sᵢ sᵢᵀ) Qᵀ. Zero where the other columns span the same space
    without this one, as when A is of low rank.
    """
    inverse = np.linalg.pinv(coordinates, rcond=1e-14)
    leverage = np.einsum("kr,rk->k", inverse, coordinates)
    norms = np.linalg.norm(inverse, axis=1)
    alone = leverage > 1.0 - 1e-8
    return np.where(alone, inverse.T / np.where(alone, norms, 1.0), 0.0)


class _Algebra:
    """Leave-one-out and leave-two-out in the coordinates of Q.

    With a = Qᵀω, b = QᵀEω, c = ZᵀEω, y = Q u, T = QᵀZ, N = QᵀEQ, K = QᵀEZ
    and the projector P = Q M Qᵀ, a sample is

        2 ⟨M, K⟩ − ⟨M T M, N⟩ + bᵀ(u − M u + M T M a) − cᵀ M a .

    One probe is left out by M = I − sᵢsᵢᵀ; the second by taking s sᵀ more
    away, s being the part of sⱼ orthogonal to sᵢ: s = β sⱼ + γ sᵢ. So only
    the forms sᵢᵀ X sⱼ are needed, a few k × k matrices for each segment.

    Arrays over pairs have the sample i as row and the left-out j as column.
    """

    def __init__(
        self,
        known: np.ndarray,
        overlaps: np.ndarray,
        coordinates: np.ndarray,
        duals: np.ndarray,
    ):
        self._known = known  # T
        self._overlaps = overlaps  # columns a
        self._duals = duals
        self._turned = known @ duals
        self._forms = duals.T @ self._turned  # sᵢᵀ T sⱼ
        self._a = duals.T @ overlaps  # sⱼᵀ a of each probe
        self._known_a = self._turned.T @ overlaps  # sⱼᵀ T a
        self._own = np.einsum("rk,rk->k", duals, coordinates)  # sᵢᵀ u
        cosines = duals.T @ duals
        sines = np.sqrt(np.maximum(1.0 - cosines**2, 0.0))
        pairs = (sines > 1e-6) & np.any(duals != 0.0, axis=0)
        np.fill_diagonal(pairs, False)
        self._beta = np.where(pairs, 1.0 / np.where(pairs, sines, 1.0), 0.0)
        self._gamma = -cosines * self._beta

    def estimate(self, gram: _Grams) -> tuple[np.ndarray, np.ndarray]:
        """Samples (k,) and interactions (k, k) of one segment."""
        s, t, own = self._duals, self._forms, self._own
        n = s.T @ gram.basis @ s
        nt = s.T @ gram.basis @ self._turned
        k = s.T @ gram.known @ s
        b = s.T @ gram.overlaps
        known_b = self._turned.T @ gram.overlaps
        c = s.T @ gram.images
        d = np.diag
        a, known_a = self._a, self._known_a
        exact = (
            2.0 * (np.trace(gram.known) - d(k))
            - np.sum(self._known * gram.basis)
            + 2.0 * d(nt)
            - d(t) * d(n)
        )
        products = self._known @ self._overlaps
        rest = (
            d(b) * own
            + np.sum(gram.overlaps * products, axis=0)
            - d(b) * d(known_a)
            - d(known_b) * d(a)
            + d(b) * d(t) * d(a)
            - np.sum(gram.images * self._overlaps, axis=0)
            + d(c) * d(a)
        )
        both, first, probe = self._both, self._first, self._probe
        tau, side = both(t), first(t)
        interactions = (
            2.0 * both(k)
            - 2.0 * (both(nt) - first(n) * side)
            + tau * both(n)
            - probe(b) * self._gamma * own[:, None]
            + (probe(known_b) - d(b)[:, None] * side) * probe(a)
            + probe(b) * (probe(known_a) - side * d(a)[:, None])
            - tau * probe(b) * probe(a)
            - probe(c) * probe(a)
        )
        return exact + rest, interactions

    def _both(self, form: np.ndarray) -> np.ndarray:
        """sᵀ X s of every pair, from all sᵢᵀ X sⱼ."""
        diagonal = np.diag(form)
        return (
            self._beta**2 * diagonal
            + self._beta * self._gamma * (form + form.T)
            + self._gamma**2 * diagonal[:, None]
        )

    def _first(self, form: np.ndarray) -> np.ndarray:
        """sᵢᵀ X s of every pair."""
        return self._beta * form + self._gamma * np.diag(form)[:, None]

    def _probe(self, form: np.ndarray) -> np.ndarray:
        """sᵀ x of every pair, x belonging to probe i; from all sⱼᵀ x."""
        return self._beta * form.T + self._gamma * np.diag(form)[:, None]
