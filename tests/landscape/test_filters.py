"""Which axes count the filters of Keras' layers."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_sharpness.landscape.filters import (
    filter_axes,
    is_bias_or_norm,
    owner_of,
)


def build(layer, *shape):
    """A model of one layer on inputs of that shape."""
    model = keras.Sequential([keras.Input(shape), layer])
    return model, layer


CASES = {
    "dense": (lambda: layers.Dense(2), (3,), [(1,)]),
    "convolution": (lambda: layers.Conv2D(2, 3), (5, 5, 3), [(3,)]),
    "grouped": (lambda: layers.Conv2D(4, 3, groups=2), (5, 5, 2), [(3,)]),
    "transposed": (lambda: layers.Conv2DTranspose(2, 3), (5, 5, 3), [(2,)]),
    "depthwise": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        (5, 5, 3),
        [(2, 3)],
    ),
    "separable": (lambda: layers.SeparableConv1D(4, 3), (5, 2), [(1, 2), (2,)]),
    "gru": (lambda: layers.GRU(2), (4, 3), [(1,), (1,)]),
    "einsum": (
        lambda: layers.EinsumDense(
            "abc,cde->abde", (None, 2, 4), bias_axes="e"
        ),
        (3, 5),
        [(1, 2)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_filter_reaches_one_output(name):
    make, shape, expected = CASES[name]
    model, _ = build(make(), *shape)
    weights = [
        variable
        for variable in model.trainable_variables
        if not is_bias_or_norm(owner_of(model, variable), variable)
    ]
    assert [
        filter_axes(owner_of(model, variable), variable) for variable in weights
    ] == expected


@pytest.mark.parametrize(
    "name", ["dense", "convolution", "grouped", "transposed", "depthwise"]
)
def test_a_filter_moves_one_channel_only(name):
    """The oracle is the layer itself: which outputs change with a filter."""
    make, shape, _ = CASES[name]
    model, layer = build(make(), *shape)
    x = np.random.default_rng(0).standard_normal((1, *shape))
    (axes,) = CASES[name][2]
    kernel = layer.kernel.numpy()
    before = model(x).numpy()
    seen = set()
    for place in np.ndindex(*(kernel.shape[axis] for axis in axes)):
        index = [slice(None)] * kernel.ndim
        for axis, number in zip(axes, place, strict=True):
            index[axis] = number
        moved = kernel.copy()
        moved[tuple(index)] += 1.0
        layer.kernel.assign(moved)
        change = np.abs(model(x).numpy() - before)
        (channel,) = set(np.nonzero(change > 1e-3)[-1].tolist())
        seen.add(channel)
    assert len(seen) == before.shape[-1]


def test_attention_and_embedding():
    tokens = keras.Input((4,), dtype="int32")
    embedding = layers.Embedding(7, 4)
    attention = layers.MultiHeadAttention(2, 3)
    embedded = embedding(tokens)
    normalized = layers.LayerNormalization(axis=(1, 2))
    model = keras.Model(tokens, normalized(attention(embedded, embedded)))
    found = {}
    for variable in model.trainable_variables:
        layer = owner_of(model, variable)
        if is_bias_or_norm(layer, variable):
            found[variable.path.split("/", 1)[1]] = None
        else:
            axes = filter_axes(layer, variable)
            found[variable.path.split("/", 1)[1]] = axes
    prefix = attention.name + "/"
    # Query (inputs, heads, size), output (heads, size, outputs); biases of
    # attention and this normalisation have two dimensions.
    assert found == {
        "embeddings": (0,),
        "query/kernel": (1, 2),
        "query/bias": None,
        "key/kernel": (1, 2),
        "key/bias": None,
        "value/kernel": (1, 2),
        "value/bias": None,
        "attention_output/kernel": (2,),
        "attention_output/bias": None,
        "gamma": None,
        "beta": None,
    }, prefix
