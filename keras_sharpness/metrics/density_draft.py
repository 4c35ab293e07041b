"""A spectral density that is being estimated, and its file."""

import os
from typing import Any

from scipy.sparse.linalg import LinearOperator

from keras_sharpness.files import check_file
from keras_sharpness.metrics.density_estimate import SpectralDensity, estimate
from keras_sharpness.metrics.fingerprint import describe_operator
from keras_sharpness.metrics.numerics.tridiagonal import GaussQuadrature
from keras_sharpness.metrics.operators import described
from keras_sharpness.training.fingerprint import differences


class DensityDraft:
    """The probes of a spectral density as they come in.

    Args:
        operator: `LinearOperator`.
        path: Path of a file that keeps the probes, or None. If it exists, what
            it holds is finished.
        grid_size: Int, or None, as for `estimate`.
        kernel_width: Float, or None, likewise.
        group_size: Int. Probes that advance together.
        **settings: What the probes depend on beside the operator.

    Raises:
        ValueError: If the file holds something else, or probes of another
            matrix or other settings; for a path with an operator that cannot
            be told from others.
        OSError: If no file can be written there.
    """

    def __init__(
        self,
        operator: LinearOperator,
        *,
        path: str | os.PathLike | None,
        grid_size: int | None,
        kernel_width: float | None,
        group_size: int,
        **settings: Any,
    ):
        self._path = None if path is None else check_file(path)
        self._quadratures: list[GaussQuadrature] = []
        self._cost = {"num_products": 0, "seconds": 0.0, "product_seconds": 0.0}
        fingerprint = {}
        if self._path is not None:
            fingerprint = {
                **settings,
                **describe_operator(operator, "`path`"),
            }
            self._read(fingerprint)
        self._options = {
            "size": operator.shape[0],
            "grid_size": grid_size,
            "kernel_width": kernel_width,
            "operator": type(operator).__name__,
            **described(operator),
            "group_size": group_size,
            "fingerprint": fingerprint,
            **settings,
        }

    def _read(self, fingerprint: dict[str, Any]) -> None:
        if not self._path.exists():
            return
        old = SpectralDensity.load(self._path)
        different = differences(old.fingerprint, fingerprint)
        if different:
            raise ValueError(
                f"{self._path} holds a density of other settings: "
                f"{'; '.join(different)}. Pass another `path`, or delete the "
                "file to begin anew."
            )
        self._quadratures = old.quadratures()
        self._cost = {name: getattr(old, name) for name in self._cost}

    @property
    def num_probes(self) -> int:
        """Probes that are finished."""
        return len(self._quadratures)

    def put(self, quadratures: list[GaussQuadrature], **cost: float) -> None:
        """Adds probes, and writes the file.

        Args:
            quadratures: List of `GaussQuadrature`.
            **cost: `num_products`, `seconds` and `product_seconds`, which the
                probes took.
        """
        self._quadratures += quadratures
        for name, value in cost.items():
            self._cost[name] += value
        if self._path is not None:
            # A kill leaves the old file or the new one.
            self.result().save(self._path)

    def result(self) -> SpectralDensity:
        """The density by the probes that are finished."""
        return estimate(self._quadratures, **self._options, **self._cost)
