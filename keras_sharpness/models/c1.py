"""C1: the shallow convolutional network for CIFAR-10."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_sharpness.models._network import Network, checked_image_shape
from keras_sharpness.models.shallow_convolutional import shallow_convolutional


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C1(Network):
    """Shallow convolutional network of Keskar et al. for CIFAR-10.

    Twice [64 filters 5x5 - BN - ReLU - max pooling 3x3 of stride 2], then Dense
    384 and Dense 192, each with BN, ReLU and dropout of 0.5, then 10 logits;
    1,757,834 trainable parameters.

    The paper's text gives the convolutions a stride of 2. This is the layout of
    the authors' code, where the stride is 1 and the pooling halves the image.

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

    model = ks.models.C1(seed=0)
    x = np.zeros((2, 32, 32, 3), "float32")
    assert model(x).shape == (2, 10)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix B.3,
          and `shallownet` of the authors' code.
    """

    def __init__(
        self,
        num_classes: int = 10,
        input_shape: Sequence[int] = (32, 32, 3),
        *,
        seed: int | None = None,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            shallow_convolutional,
            num_classes=num_classes,
            input_shape=checked_image_shape(input_shape),
            seed=seed,
            dtype=dtype,
            name=name,
            **kwargs,
        )
