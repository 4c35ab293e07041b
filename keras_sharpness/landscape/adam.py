"""Adam on a flat vector."""

import numpy as np


class Adam:
    """Steps of Adam in float64, with the usual decay rates.

    Of its own and not Keras': the vector is a NumPy array of all weights, and
    a compiled update of a variable of that size costs a copy there and back.

    Args:
        size: Int. Length of the vector.

    Reference:
        Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1.
    """

    _DECAYS = 0.9, 0.999
    _EPSILON = 1e-8

    def __init__(self, size: int):
        self._moments = np.zeros((2, size))
        self._count = 0

    def step(self, gradient: np.ndarray, learning_rate: float) -> np.ndarray:
        """What to add to the vector.

        Args:
            gradient: Array (P,).
            learning_rate: Float.

        Returns:
            Array (P,).
        """
        self._count += 1
        unbiased = []
        for moment, decay, value in zip(
            self._moments,
            self._DECAYS,
            (gradient, np.square(gradient)),
            strict=True,
        ):
            moment *= decay
            moment += (1.0 - decay) * value
            unbiased.append(moment / (1.0 - decay**self._count))
        return (
            -learning_rate
            * unbiased[0]
            / (np.sqrt(unbiased[1]) + self._EPSILON)
        )
