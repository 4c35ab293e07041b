"""How exact the products of an operator are, and what keeps as many digits."""

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.numerics.basis import EPSILON, BasisDtype
from keras_sharpness.metrics.operators import MeasuredOperator


def choose_basis_dtype(
    operator: LinearOperator, wanted: BasisDtype | None = None
) -> BasisDtype:
    """The dtype that is asked for, or as many digits as the products have.

    The products of a float32 network are rounded by 6e-8 of their length. A
    float32 basis adds as much, and takes half the memory, and half the time
    wherever reading it is what takes the time.

    Args:
        operator: `LinearOperator`.
        wanted: Str. `"float64"`, `"float32"`, or None to choose: float32 for
            a curvature operator of float32 weights, else float64.

    Returns:
        Str.

    Raises:
        ValueError: For another `wanted`.
    """
    if wanted is not None:
        return arguments.one_of("basis_dtype", wanted, BasisDtype)
    is_single = (
        isinstance(operator, MeasuredOperator)
        and operator.objective.layout.dtype == "float32"
    )
    return "float32" if is_single else "float64"


def underflow_of_products(operator: LinearOperator) -> float:
    """The length below which a product may have become zero.

    Args:
        operator: `LinearOperator`.

    Returns:
        Float. Of a curvature operator `√P` times the smallest normal number in
        the dtype of the weights; of others 0.
    """
    if not isinstance(operator, MeasuredOperator):
        return 0.0
    layout = operator.objective.layout
    return float(np.sqrt(layout.size) * np.finfo(layout.dtype).tiny)


def rounding_of_products(operator: LinearOperator) -> float:
    """The machine epsilon of the coarsest numbers that products pass through.

    Args:
        operator: `LinearOperator`. Sums and multiples of curvature operators
            are as exact as these.

    Returns:
        Float. Of a curvature operator that of the weights and of what the
        layers compute in; of others that of their own dtype.
    """
    if isinstance(operator, MeasuredOperator):
        objective = operator.objective
        layers = objective.model._flatten_layers()
        dtypes = {layer.compute_dtype for layer in layers}
        dtypes.add(objective.layout.dtype)
        return max(EPSILON.get(dtype, 0.0) for dtype in dtypes)
    # SciPy's sums, products and multiples keep what they are made of there.
    parts = getattr(operator, "args", ())
    return max(
        [
            EPSILON.get(str(operator.dtype), EPSILON["float64"]),
            *(
                rounding_of_products(part)
                for part in parts
                if isinstance(part, LinearOperator)
            ),
        ]
    )
