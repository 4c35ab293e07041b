"""How high the loss rises between two points."""

import numpy as np


def barrier(positions: np.ndarray, loss: np.ndarray) -> float:
    """The largest excess of the loss over the line between its two ends.

    Args:
        positions: Array (n,), ascending; 0 and 1 among them. Positions outside
            [0, 1] do not count.
        loss: Array (n,).

    Returns:
        Float; 0 where the loss nowhere rises above that line.

    Reference:
        Entezari et al. 2022, https://arxiv.org/abs/2110.06296, section 2.
    """
    between = (positions >= 0.0) & (positions <= 1.0)
    positions, loss = positions[between], loss[between]
    chord = (1.0 - positions) * loss[0] + positions * loss[-1]
    # At the ends the excess is 0 by definition, rounding aside.
    excess = np.r_[0.0, (loss - chord)[1:-1]]
    return float(np.max(excess))
