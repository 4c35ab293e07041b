"""How much the gradients of single samples differ."""

import numpy as np

from keras_sharpness.metrics.objective import Objective


def gradient_variance(
    objective: Objective, w: np.ndarray | None = None
) -> tuple[float, float]:
    """The variance of the samples' gradients, and the square of their mean.

    `1/(N − 1) Σᵢ ‖gᵢ − G‖²` with gᵢ = ∇ℓᵢ(w) and `G = (1/N) Σᵢ gᵢ`. It is
    the trace of their covariance Σ; a batch of B samples drawn at random has
    a gradient of variance `tr Σ / B`.

    Args:
        objective: `Objective` with `batch_size=1`: one gradient per sample.
        w: Array (P,), the model's own weights when left out.

    Returns:
        The variance and ‖G‖², two floats.

    Raises:
        ValueError: If several samples make up a batch, or there is only one.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks
    from keras_sharpness.metrics.gradient_variance import gradient_variance

    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    # ℓ = (w x − y)² with gradient 2 x (w x − y) = −2 y at w = 0, x = 1.
    objective = ks.Objective(
        model, np.ones((2, 1)), np.array([1.0, 3.0]), loss="mse", batch_size=1
    )
    variance, squared = gradient_variance(objective, w=np.zeros(1))
    assert (variance, squared) == (8.0, 16.0)
    ```
    """
    if objective.batch_size != 1 or objective.num_samples < 2:
        raise ValueError(
            "The variance of gradients needs those of two samples or more, one "
            f"by one. Received: batches of {objective.batch_size} of "
            f"{objective.num_samples} samples. Make the objective with "
            "`batch_size=1`."
        )
    count, mean = 0, np.zeros(objective.size)
    spread = 0.0
    for gradient in objective.batch_gradients(w):
        # Welford: the difference of two large sums would lose the digits.
        count += 1
        before = gradient - mean
        mean += before / count
        spread += float(before @ (gradient - mean))
    return spread / (count - 1), float(mean @ mean)
