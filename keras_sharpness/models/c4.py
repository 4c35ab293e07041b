"""C4: the deep convolutional network for CIFAR-100."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_sharpness.models._network import Network, checked_image_shape
from keras_sharpness.models.deep_convolutional import deep_convolutional


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C4(Network):
    """Deep convolutional network of Keskar et al. for CIFAR-100.

    `C2` with 100 logits; 15,038,116 trainable parameters.

    Returns logits, without softmax. Comes compiled as the paper trains: Adam
    with Keras' defaults, mean cross-entropy, accuracy; `compile` again for
    anything else. The start weights are Keras' default, uniform after Glorot.

    Args:
        num_classes: Integer, at least 2. The number of logits.
        input_shape: Tuple of integers, (height, width, channels).
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

    model = ks.models.C4(input_shape=(8, 8, 3), seed=0)
    x = np.zeros((2, 8, 8, 3), "float32")
    assert model(x).shape == (2, 100)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), table 1 and
          appendix B.4.
    """

    def __init__(
        self,
        num_classes: int = 100,
        input_shape: Sequence[int] = (32, 32, 3),
        *,
        seed: int | None = None,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deep_convolutional,
            num_classes=num_classes,
            input_shape=checked_image_shape(input_shape),
            seed=seed,
            dtype=dtype,
            name=name,
            **kwargs,
        )
