"""Which numbers of a weight belong to one filter."""

import keras

# Their kernels end in (input channels, multiplier), one filter for each pair.
_DEPTHWISE = (
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)


def owner_of(model: keras.Model, variable: keras.Variable) -> keras.Layer:
    """The layer of `model`, nested ones included, that holds `variable`.

    Args:
        model: Built `keras.Model`.
        variable: One of its trainable variables.

    Returns:
        A `keras.Layer`.
    """
    return next(
        layer
        for layer in model._flatten_layers()
        if any(variable is own for own in layer._trainable_variables)
    )


def is_bias_or_norm(layer: keras.Layer, variable: keras.Variable) -> bool:
    """Whether Li et al. leave the weight out of their directions.

    Biases, the parameters of normalisation layers, and all else that has one
    dimension or none. A bias may have two: that of a GRU, or of attention.

    Args:
        layer: The `keras.Layer` that holds it.
        variable: The weight.

    Returns:
        Bool.
    """
    return (
        len(variable.shape) <= 1
        or isinstance(layer, _NORMALIZATIONS)
        or "bias" in variable.name
    )


def filter_axes(layer: keras.Layer, variable: keras.Variable) -> tuple:
    """The axes of a weight that count its filters, one per output unit.

    What is left when these are fixed is one filter: the weights that produce
    one channel of a convolution, one unit of a dense layer, one gate of one
    recurrent unit, or the vector of one token of an embedding. Keras keeps
    output units last but for transposed convolutions (before the input
    channels), depthwise ones (with them), embeddings (first) and
    `EinsumDense`, whose equation tells.

    Args:
        layer: The `keras.Layer` that holds the weight.
        variable: The weight, of two dimensions or more.

    Returns:
        Tuple of int, none of them negative, ascending.
    """
    last = len(variable.shape) - 1
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_axes(layer.equation, last + 1)
    if isinstance(layer, keras.layers.Embedding):
        reverse = variable is getattr(layer, "reverse_embeddings", None)
        return (last,) if reverse else (0,)
    if isinstance(layer, _TRANSPOSED):
        return (last - 1,)
    if isinstance(layer, _DEPTHWISE) and "pointwise" not in variable.name:
        return (last - 1, last)
    return (last,)


def _einsum_axes(equation: str, num_axes: int) -> tuple:
    inputs, output = equation.replace(" ", "").split("->")
    kernel = inputs.split(",")[1]
    axes = tuple(i for i, letter in enumerate(kernel) if letter in output)
    # A layer that sums over all of its kernel has one output, one filter.
    return axes if len(kernel) == num_axes else (num_axes - 1,)
