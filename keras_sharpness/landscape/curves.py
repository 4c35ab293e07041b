"""Curves with one bend between two points of the weight space."""

from typing import Literal

from keras_sharpness import arguments

Curve = Literal["bezier", "polygon"]


def curve_coefficients(curve: Curve, t: float) -> tuple[float, float, float]:
    """The weights of start, bend and end at one t.

    `"bezier"`: `((1 − t)², 2t (1 − t), t²)`; `"polygon"`: straight to the bend,
    which is reached at t = 1/2, and straight on. They sum to 1, and with the
    bend half-way between the ends both curves are the straight line.

    Args:
        curve: Str.
        t: Float in [0, 1].

    Returns:
        Three floats.

    Raises:
        ValueError: For an unknown curve.

    Reference:
        Garipov et al. 2018, https://arxiv.org/abs/1802.10026, section 3.1.
    """
    if curve == "bezier":
        return (1.0 - t) ** 2, 2.0 * t * (1.0 - t), t**2
    arguments.one_of("curve", curve, Curve)
    if t <= 0.5:
        return 1.0 - 2.0 * t, 2.0 * t, 0.0
    return 0.0, 2.0 * (1.0 - t), 2.0 * t - 1.0
