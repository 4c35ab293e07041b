"""Layers in the words of the paper and its code."""

import keras


def described(layer):
    """The kind of a layer, and the numbers that a paper gives of it."""
    name = type(layer).__name__
    if isinstance(layer, keras.layers.Conv2D):
        details = (layer.filters, layer.kernel_size, layer.strides)
        return (name, *details, layer.padding)
    if isinstance(layer, keras.layers.MaxPooling2D):
        return (name, layer.pool_size, layer.strides, layer.padding)
    if isinstance(layer, keras.layers.Dense):
        return (name, layer.units)
    if isinstance(layer, keras.layers.Dropout):
        return (name, layer.rate)
    return (name,)
