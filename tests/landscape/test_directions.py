"""Random directions and how they are scaled."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_sharpness as ks
from keras_sharpness.landscape import random_directions
from keras_sharpness.landscape.directions import (
    filter_axes,
    is_bias_or_norm,
    owner_of,
)


@pytest.fixture(scope="module")
def objective():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3, bias_initializer="ones", name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    return ks.Objective(
        model, np.ones((2, 6, 6, 2)), np.ones((2, 2)), loss="mse"
    )


def named(objective, vector):
    parts = objective.layout.split(vector)
    return {
        path.split("/", 1)[-1] if path.count("/") > 1 else path: part
        for path, part in zip(objective.layout.paths, parts, strict=True)
    }


def test_each_filter_has_the_length_of_the_weights(objective):
    (direction,) = random_directions(objective)
    d = named(objective, direction)
    w = named(objective, objective.weights)
    for name, axes in (("conv/kernel", (0, 1, 2)), ("dense/kernel", (0,))):
        lengths = [np.sqrt((a[name] ** 2).sum(axes)) for a in (d, w)]
        # Float32 copies of float64 numbers: 6e-8 each.
        np.testing.assert_allclose(*lengths, rtol=1e-6)
    for name in ("conv/bias", "norm/gamma", "norm/beta", "dense/bias"):
        assert not d[name].any()


def test_layer_weight_and_none_are_the_same_gaussian(objective):
    by_mode = {
        mode: named(
            objective,
            random_directions(objective, normalization=mode, seed=3)[0],
        )["conv/kernel"]
        for mode in ("filter", "layer", "weight", "none")
    }
    kernel = named(objective, objective.weights)["conv/kernel"]
    gaussian = by_mode["none"]
    np.testing.assert_allclose(by_mode["weight"], gaussian * kernel, rtol=1e-6)
    ratio = by_mode["layer"] / gaussian
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-6)
    assert np.linalg.norm(by_mode["layer"]) == pytest.approx(
        np.linalg.norm(kernel), rel=1e-6
    )
    ratio = by_mode["filter"] / gaussian  # one number per output channel
    np.testing.assert_allclose(
        ratio, np.broadcast_to(ratio[0, 0, 0], ratio.shape), rtol=1e-6
    )
    # N(0, 1): the mean of 54 squares has standard deviation 0.19.
    assert abs(np.mean(gaussian**2) - 1.0) < 5 * 0.2


def test_biases_move_on_request(objective):
    (direction,) = random_directions(objective, ignore="none")
    d, w = named(objective, direction), named(objective, objective.weights)
    for name in ("conv/bias", "norm/gamma"):
        assert np.linalg.norm(d[name]) == pytest.approx(
            np.linalg.norm(w[name]), rel=1e-6
        )
    assert not d["norm/beta"].any()  # as long as the weights, which are 0


def test_only_the_chosen_layer_moves(objective):
    (direction,) = random_directions(objective, layers="dense")
    (whole,) = random_directions(objective)
    moving = direction != 0.0
    assert np.count_nonzero(moving) == 4 * 4 * 3 * 2
    np.testing.assert_array_equal(direction[moving], whole[moving])


def test_more_directions_keep_the_first(objective):
    two, three = (
        random_directions(objective, num_directions=n, seed=5) for n in (2, 3)
    )
    np.testing.assert_array_equal(two, three[:2])
    assert not np.array_equal(three[1], three[2])
    other = random_directions(objective, seed=6)
    assert not np.array_equal(other[0], two[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "row"}, "normalization='row'"),
        ({"ignore": "bias"}, "ignore='bias'"),
        ({"seed": -1}, "seed=-1"),
        ({"num_directions": 0}, "num_directions=0"),
        ({"layers": "norm"}, "No weight would move"),
        ({"layers": "absent"}, "not among the trainable"),
        ({"center": np.ones(3)}, "`center` must be a flat vector"),
    ],
)
def test_wrong_options(objective, options, message):
    with pytest.raises(ValueError, match=message):
        random_directions(objective, **options)


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
