"""In what numbers Lanczos bases are kept."""

from typing import Literal

from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments

BasisDtype = Literal["float64", "float32"]


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
    layout = getattr(getattr(operator, "objective", None), "layout", None)
    return "float32" if getattr(layout, "dtype", "") == "float32" else "float64"
