"""How much the gradients of single samples differ."""

import numpy as np

from keras_sharpness.metrics.objective import Objective


def gradient_variance(
    objective: Objective, w: np.ndarray | None = None
) -> tuple[float, float]:
    """The variance of the samples' gradients, and the square of their mean.

    `b/(k − 1) Σⱼ ‖Gⱼ − G‖²` with the gradients Gⱼ of k batches of b samples
    each and their mean G. For b = 1 it is the trace of the covariance Σ of the
    samples' gradients, for larger b an estimate of it, unbiased where the
    samples come in random order. A batch of B samples drawn at random has a
    gradient of variance `tr Σ / B`.

    Args:
        objective: `Objective` whose batches are all of one size.
        w: Array (P,), the model's own weights when left out.

    Returns:
        The variance and ‖G‖², two floats.

    Raises:
        ValueError: If the last batch is shorter, or there is only one.

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
    size, num_samples = objective.batch_size, objective.num_samples
    if num_samples % size or num_samples == size:
        raise ValueError(
            "The variance of gradients needs two batches or more of one size. "
            f"Received: {num_samples} samples in batches of {size}. Pass "
            "another `batch_size` to the objective, 1 for the exact variance."
        )
    count, spread = 0, 0.0
    mean = np.zeros(objective.size)
    for gradient in objective.batch_gradients(w):
        # Welford: the difference of two large sums would lose the digits.
        count += 1
        before = gradient - mean
        mean += before / count
        spread += float(before @ (gradient - mean))
    return size * spread / (count - 1), float(mean @ mean)
