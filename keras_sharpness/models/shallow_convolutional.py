"""The hidden layers of C1 and C3."""

from typing import Any

from keras_sharpness.models._blocks import Blocks


def shallow_convolutional(blocks: Blocks, x: Any) -> Any:
    """Two 5x5 convolutions and two dense layers, an AlexNet in small.

    Twice [64 filters 5x5 - BN - ReLU - 3x3 max pooling of stride 2], then
    Dense 384 and Dense 192, each followed by BN, ReLU and dropout of 0.5.
    The paper's text gives the convolutions a stride of 2; its code, which made
    the published numbers, has stride 1 and lets the pooling halve the image.

    Args:
        blocks: `Blocks`, which makes the layers.
        x: Symbolic tensor (batch, height, width, channels).

    Returns:
        The symbolic tensor of the last hidden layer, (batch, 192).

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix
          B.3, and `shallownet` of the authors' code.
    """
    for layer in (1, 2):
        x = blocks.convolution(x, 64, 5, name=f"conv_{layer}")
        x = blocks.max_pool(x, 3, name=f"pool_{layer}")
    x = blocks.flatten(x)
    for layer, units in enumerate((384, 192), start=1):
        x = blocks.dense(x, units, name=f"dense_{layer}")
        x = blocks.dropout(x, 0.5, name=f"dense_{layer}_dropout")
    return x
