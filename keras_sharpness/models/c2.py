"""C2: the deep convolutional network for CIFAR-10."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_sharpness.models._network import Network, checked_image_shape
from keras_sharpness.models.deep_convolutional import deep_convolutional


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C2(Network):
    """Deep convolutional network of Keskar et al. for CIFAR-10.

    Stacks of 2 x 64, 2 x 128, 3 x 256, 3 x 512 and 3 x 512 filters 3x3, each
    with BN and ReLU, 2x2 max pooling of stride 2 behind every stack, then Dense
    512 - BN - ReLU and 10 logits; 14,991,946 trainable parameters.

    For dropout the paper's text only refers to `C1`. Its places and rates here
    are those of the authors' code: 0.3 in the first stack and 0.4 in the
    others, behind every convolution but a stack's last; 0.5 before and behind
    the dense layer.

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

    model = ks.models.C2(input_shape=(8, 8, 3), seed=0)
    x = np.zeros((2, 8, 8, 3), "float32")
    assert model(x).shape == (2, 10)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix B.4,
          and `deepnet` of the authors' code.
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
            deep_convolutional,
            num_classes=num_classes,
            input_shape=checked_image_shape(input_shape),
            seed=seed,
            dtype=dtype,
            name=name,
            **kwargs,
        )
