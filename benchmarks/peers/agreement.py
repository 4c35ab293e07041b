"""Whether both frameworks find the same values."""

import pathlib

import numpy as np
import settings
import table
from settings import OURS


def of_values(network, folder):
    """Relative differences of loss, gradient and products, by norm.

    Args:
        network: Str, a key of `settings.CASES`.
        folder: Path where both workers left `keras.npz` and `torch.npz`.

    Returns:
        List of dicts with `"difference"` and `"at_most"`.
    """
    folder = pathlib.Path(folder)
    with (
        np.load(folder / "keras.npz") as ours,
        np.load(folder / "torch.npz") as theirs,
    ):
        found = []
        for key in theirs.files:
            value, library = key.split("|")
            each = {
                "network": network,
                "value": value,
                "library": library,
                "difference": float(
                    np.linalg.norm(ours[value] - theirs[key])
                    / np.linalg.norm(ours[value])
                ),
                "at_most": settings.AGREEMENT,
            }
            if (network, library, value) in settings.KNOWN_ERRORS:
                each["reason"] = settings.KNOWN_ERRORS[network, library, value]
            found.append(each)
        return found


def of_results(network, row, cells):
    """Relative differences of eigenvalues and traces from ours."""
    own = next(cell for cell in cells if cell["library"] == OURS)
    if "seconds" not in own or row not in ("eigenvalues", "trace"):
        return []
    found = []
    for cell in cells:
        if cell is own or "seconds" not in cell or not table.is_accurate(cell):
            continue
        if row == "eigenvalues":
            a, b = np.array(own["eigenvalues"]), np.array(cell["eigenvalues"])
            difference = float(np.max(np.abs(a - b) / np.abs(b)))
            # An eigenvalue lies within its residual; both have one.
            at_most = 2 * settings.EIGENVALUE_TOLERANCE
        else:
            difference = abs(own["value"] - cell["value"]) / abs(own["value"])
            # Four standard errors of a difference.
            errors = own["standard_error"], cell["standard_error"]
            at_most = 4 * float(np.hypot(*errors)) / abs(own["value"])
        found.append(
            {
                "network": network,
                "value": row,
                "library": cell["library"],
                "difference": difference,
                "at_most": at_most,
            }
        )
    return found


def failures(agreement):
    """A line for every difference that is too large and not explained."""
    return [
        f"{each['network']}, {each['library']}: {each['value']} differs by "
        f"{each['difference']:.2g}, more than {each['at_most']:.2g}"
        for each in agreement
        # Not a number is a failure as well.
        if not each["difference"] <= each["at_most"] and "reason" not in each
    ]
