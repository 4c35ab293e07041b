"""What is measured between the two minima of a pair, and its names."""

PATHS = ("linear", "curvilinear")


def pair_name(path: str, seed: int) -> str:
    """The name under which a pair's interpolation is stored.

    Args:
        path: Str, one of `PATHS`.
        seed: Int.

    Returns:
        Str.
    """
    return f"interpolation-{path}-seed-{seed}"
