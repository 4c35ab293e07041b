"""F1: the fully connected network for MNIST."""

import functools
from collections.abc import Sequence
from typing import Any

import keras

from keras_sharpness.models._network import Network
from keras_sharpness.models.fully_connected import fully_connected


@keras.saving.register_keras_serializable(package="keras_sharpness")
class F1(Network):
    """Fully connected network of Keskar et al. for MNIST.

    Five times [Dense 512 - BN - ReLU] behind a 784-pixel digit, then 10 logits;
    1,462,794 trainable parameters.

    Returns logits, without softmax. Comes compiled as the paper trains: Adam
    with Keras' defaults, mean cross-entropy, accuracy; `compile` again for
    anything else. The start weights are Keras' default, uniform after Glorot.

    Args:
        num_classes: Integer, at least 2. The number of logits.
        input_shape: Tuple of integers, the shape of one sample, which is
            flattened.
        seed: Integer. Makes start weights and dropout masks repeatable; with
            `None` they follow `keras.utils.set_random_seed`.
        dtype: String or `keras.DTypePolicy` of all layers, e.g. `"float64"`;
            `None` is Keras' global policy.
        name: String. Name of the model.
        **kwargs: `compile=False` for a model that is not compiled, and
            `trainable` as in `keras.Model`.

    Raises:
        ValueError: If `num_classes`, `input_shape` or `seed` is not of the
            kind above.

    Example:

    ```python
    import numpy as np
    import keras_sharpness as ks

    model = ks.models.F1(seed=0)
    x = np.zeros((2, 28, 28, 1), "float32")
    assert model(x).shape == (2, 10)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix B.1.
    """

    def __init__(
        self,
        num_classes: int = 10,
        input_shape: Sequence[int] = (28, 28, 1),
        *,
        seed: int | None = None,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            functools.partial(fully_connected, num_layers=5),
            num_classes=num_classes,
            input_shape=input_shape,
            seed=seed,
            dtype=dtype,
            name=name,
            **kwargs,
        )
