"""F1 to C4, the six networks of Keskar et al. (2017), and a small one."""

import difflib
import functools
from typing import Any

import keras

from keras_sharpness.models._network import Blocks, Network, check_image_shape

# Of the deep convolutional networks: filters of every convolution, stack by
# stack.
_STACKS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)


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


def small(blocks: Blocks, x: Any) -> Any:
    """Flatten, Dense 64 - ReLU, Dense 32 - ReLU.

    Args:
        blocks: `Blocks`, which makes the layers.
        x: Symbolic tensor of any shape (batch, ...).

    Returns:
        The symbolic tensor of the last hidden layer, (batch, 32).
    """
    x = blocks.flatten(x)
    for layer, units in enumerate((64, 32), start=1):
        x = blocks.plain_dense(x, units, name=f"dense_{layer}")
    return x


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
    check_image_shape(x.shape[1:])
    for layer in (1, 2):
        x = blocks.convolution(x, 64, 5, name=f"conv_{layer}")
        x = blocks.max_pool(x, 3, name=f"pool_{layer}")
    x = blocks.flatten(x)
    for layer, units in enumerate((384, 192), start=1):
        x = blocks.dense(x, units, name=f"dense_{layer}")
        x = blocks.dropout(x, 0.5, name=f"dense_{layer}_dropout")
    return x


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
    check_image_shape(x.shape[1:])
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


@keras.saving.register_keras_serializable(package="keras_sharpness")
class F1(
    Network,
    body=functools.partial(fully_connected, num_layers=5),
    num_classes=10,
    input_shape=(28, 28, 1),
):
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


@keras.saving.register_keras_serializable(package="keras_sharpness")
class F2(
    Network,
    body=functools.partial(fully_connected, num_layers=7),
    num_classes=1973,
    input_shape=(360,),
):
    """Fully connected network of Keskar et al. for TIMIT.

    Seven times [Dense 512 - BN - ReLU] behind 360 speech features, then 1973
    logits, one per phone state; 2,780,085 trainable parameters.

    Arguments, compilation, start weights and errors are those of `F1`.

    Example:

    ```python
    import numpy as np
    import keras_sharpness as ks

    model = ks.models.F2(seed=0)
    x = np.zeros((2, 360), "float32")
    assert model(x).shape == (2, 1973)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix B.2.
    """


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C1(
    Network,
    body=shallow_convolutional,
    num_classes=10,
    input_shape=(32, 32, 3),
):
    """Shallow convolutional network of Keskar et al. for CIFAR-10.

    Twice [64 filters 5x5 - BN - ReLU - max pooling 3x3 of stride 2], then Dense
    384 and Dense 192, each with BN, ReLU and dropout of 0.5, then 10 logits;
    1,757,834 trainable parameters.

    The paper's text gives the convolutions a stride of 2. This is the layout of
    the authors' code, where the stride is 1 and the pooling halves the image.

    Arguments, compilation, start weights and errors are those of `F1`, but for
    the shape of a sample, which is (height, width, channels).

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


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C2(
    Network,
    body=deep_convolutional,
    num_classes=10,
    input_shape=(32, 32, 3),
):
    """Deep convolutional network of Keskar et al. for CIFAR-10.

    Stacks of 2 x 64, 2 x 128, 3 x 256, 3 x 512 and 3 x 512 filters 3x3, each
    with BN and ReLU, 2x2 max pooling of stride 2 behind every stack, then Dense
    512 - BN - ReLU and 10 logits; 14,991,946 trainable parameters.

    For dropout the paper's text only refers to `C1`. Its places and rates here
    are those of the authors' code: 0.3 in the first stack and 0.4 in the
    others, behind every convolution but a stack's last; 0.5 before and behind
    the dense layer.

    Arguments, compilation, start weights and errors are those of `C1`.

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


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C3(
    Network,
    body=shallow_convolutional,
    num_classes=100,
    input_shape=(32, 32, 3),
):
    """Shallow convolutional network of Keskar et al. for CIFAR-100.

    `C1` with 100 logits; 1,775,204 trainable parameters.

    Arguments, compilation, start weights and errors are those of `C1`.

    Example:

    ```python
    import numpy as np
    import keras_sharpness as ks

    model = ks.models.C3(seed=0)
    x = np.zeros((2, 32, 32, 3), "float32")
    assert model(x).shape == (2, 100)
    ```

    Reference:
        - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), table 1 and
          appendix B.3.
    """


@keras.saving.register_keras_serializable(package="keras_sharpness")
class C4(
    Network,
    body=deep_convolutional,
    num_classes=100,
    input_shape=(32, 32, 3),
):
    """Deep convolutional network of Keskar et al. for CIFAR-100.

    `C2` with 100 logits; 15,038,116 trainable parameters.

    Arguments, compilation, start weights and errors are those of `C1`.

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


@keras.saving.register_keras_serializable(package="keras_sharpness")
class S1(Network, body=small, num_classes=10, input_shape=(28, 28, 1)):
    """A small network on which whole studies take minutes.

    Dense 64 - ReLU - Dense 32 - ReLU behind a 784-pixel digit, then 10 logits;
    52,650 trainable parameters. It is no network of the paper, and has no
    batch normalisation, which would make its loss depend on the batch size.

    Arguments, compilation, start weights and errors are those of `F1`.

    Example:

    ```python
    import keras_sharpness as ks

    assert ks.models.S1(seed=0).count_params() == 52_650
    ```
    """


_CLASSES: dict[str, type[Network]] = {
    network.__name__: network for network in (F1, F2, C1, C2, C3, C4, S1)
}
NAMES: tuple[str, ...] = tuple(_CLASSES)


def get(name: str) -> type[Network]:
    """The class of the network that is called `name`.

    Args:
        name: String, one of `NAMES`, in upper or lower case.

    Returns:
        The class, e.g. `F1`.

    Raises:
        ValueError: If there is no network of that name.

    Example:

    ```python
    import keras_sharpness as ks

    assert ks.models.get("f1") is ks.models.F1
    ```
    """
    network = _CLASSES.get(name.upper()) if isinstance(name, str) else None
    if network is None:
        close = difflib.get_close_matches(str(name).upper(), NAMES, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"`name` must be one of {', '.join(NAMES)}. Received: "
            f"name={name!r}.{guess}"
        )
    return network
