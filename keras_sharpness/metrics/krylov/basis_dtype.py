"""In what numbers Lanczos bases are kept."""

from typing import Literal, get_args

from scipy.sparse.linalg import LinearOperator

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
    allowed = get_args(BasisDtype)
    if wanted is not None:
        if wanted not in allowed:
            raise ValueError(
                f"`basis_dtype` must be one of {', '.join(map(repr, allowed))}."
                f" Received: basis_dtype={wanted!r}."
            )
        return wanted
    layout = getattr(getattr(operator, "objective", None), "layout", None)
    return "float32" if getattr(layout, "dtype", "") == "float32" else "float64"
