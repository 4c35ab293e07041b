"""The hidden layers of F1 and F2."""

from typing import Any

from keras_sharpness.models._blocks import Blocks


def fully_connected(blocks: Blocks, x: Any, *, num_layers: int) -> Any:
    """Flatten, then `num_layers` times Dense 512 - BN - ReLU.

    Args:
        blocks: `Blocks`, which makes the layers.
        x: Symbolic tensor of any shape (batch, ...).
        num_layers: Integer, the number of hidden layers.

    Returns:
        The symbolic tensor of the last hidden layer, (batch, 512).

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix
          B.1 and B.2.
    """
    x = blocks.flatten(x)
    for layer in range(1, num_layers + 1):
        x = blocks.dense(x, 512, name=f"dense_{layer}")
    return x
