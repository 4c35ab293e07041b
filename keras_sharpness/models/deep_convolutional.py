"""The hidden layers of C2 and C4."""

from typing import Any

from keras_sharpness.models._blocks import Blocks

# Filters of every convolution, stack by stack.
_STACKS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)


def deep_convolutional(blocks: Blocks, x: Any) -> Any:
    """Thirteen 3x3 convolutions and one dense layer, a VGG-16 in small.

    Stacks of 2 x 64, 2 x 128, 3 x 256, 3 x 512 and 3 x 512 filters, each
    convolution followed by BN and ReLU, and between two convolutions of a
    stack by dropout of 0.4 (0.3 in the first stack); 2x2 max pooling of
    stride 2 closes a stack. Then dropout of 0.5, Dense 512 - BN - ReLU and
    dropout of 0.5. The paper's text has fewer details of the dropout; these are
    the authors' code's, which made the published numbers.

    Args:
        blocks: `Blocks`, which makes the layers.
        x: Symbolic tensor (batch, height, width, channels).

    Returns:
        The symbolic tensor of the last hidden layer, (batch, 512).

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix
          B.4, and `deepnet` of the authors' code.
    """
    for stack, stack_filters in enumerate(_STACKS, start=1):
        rate = 0.3 if stack == 1 else 0.4
        for layer, filters in enumerate(stack_filters, start=1):
            name = f"stack_{stack}_conv_{layer}"
            x = blocks.convolution(x, filters, 3, name=name)
            if layer < len(stack_filters):
                x = blocks.dropout(x, rate, name=f"{name}_dropout")
        x = blocks.max_pool(x, 2, name=f"stack_{stack}_pool")
    x = blocks.flatten(x)
    x = blocks.dropout(x, 0.5, name="flatten_dropout")
    x = blocks.dense(x, 512, name="dense_1")
    return blocks.dropout(x, 0.5, name="dense_1_dropout")
