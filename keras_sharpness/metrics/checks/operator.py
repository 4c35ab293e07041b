"""What can be checked of any operator: symmetry and repeatability."""

import itertools

import numpy as np

from keras_sharpness.metrics.checks.row import CheckRow


def symmetry_row(
    vectors: np.ndarray, products: np.ndarray, epsilon: float
) -> CheckRow:
    """`|uᵀHv − vᵀHu|` relative to ‖H v‖, for Gaussian u and v.

    For Gaussian vectors the mean square of the one is ‖H − Hᵀ‖², that of the
    other ‖H‖², in Frobenius norms.

    Args:
        vectors: Array (P, k).
        products: Array (P, k), H times these.
        epsilon: Float. The precision of the products.

    Returns:
        A `CheckRow`.
    """
    small = vectors.T @ products  # (k, k)
    gaps = [
        small[i, j] - small[j, i]
        for i, j in itertools.combinations(range(len(small)), 2)
    ]
    norm = _root_mean_square(np.linalg.norm(products, axis=0))
    value = _root_mean_square(gaps) / norm if norm else 0.0
    # Rounding leaves some ten to a thousand epsilon, a wrong derivative
    # percents.
    limit = float(np.sqrt(epsilon))
    if value <= limit:
        return CheckRow(
            "symmetry", "ok", value, limit, "uᵀHv = vᵀHu up to rounding."
        )
    return CheckRow(
        "symmetry",
        "fail",
        value,
        limit,
        "uᵀHv and vᵀHu differ: this is no Hessian. Look for gradients that "
        "are not those of the loss (stop_gradient, custom_gradient), or for "
        "an operation whose second derivative TensorFlow gets wrong.",
    )


def repeatability_row(
    first: np.ndarray, second: np.ndarray, epsilon: float
) -> CheckRow:
    """The same product twice.

    Args:
        first: Array (P, k).
        second: Array (P, k).
        epsilon: Float. The precision of the products.

    Returns:
        A `CheckRow`.
    """
    norm = np.linalg.norm(first)
    value = float(np.linalg.norm(first - second) / norm) if norm else 0.0
    # As for symmetry: sums in another order against other data.
    limit = float(np.sqrt(epsilon))
    if value > limit:
        return CheckRow(
            "repeatability",
            "fail",
            value,
            limit,
            "The same product twice is not the same: the data or a layer "
            "change from call to call. Take the randomness out.",
        )
    how = "in every bit" if value == 0.0 else "up to the order of its sums"
    return CheckRow(
        "repeatability",
        "ok",
        value,
        limit,
        f"The same product twice is the same {how}.",
    )


def _root_mean_square(values: list | np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
