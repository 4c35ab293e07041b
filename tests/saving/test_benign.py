"""What people save is let through, and predicts what it predicted before."""

import keras
import numpy as np
import pytest

from keras_sharpness import models
from keras_sharpness.saving import Limits, inspect_model, load_model

GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.normal(size=(4, 6)).astype("float32")
SERIES = GENERATOR.normal(size=(4, 5, 3)).astype("float32")
IMAGES = GENERATOR.uniform(0, 255, size=(2, 8, 8, 3)).astype("float32")
WORDS = GENERATOR.integers(9, size=(4, 5))
layers = keras.layers


def sequential(shape, *more):
    return keras.Sequential([keras.Input(shape), *more])


def regularized():
    return sequential(
        (6,),
        layers.Dense(
            4,
            "gelu",
            kernel_initializer=keras.initializers.HeNormal(seed=1),
            kernel_regularizer=keras.regularizers.L1L2(1e-3, 1e-2),
            bias_regularizer="l2",
            activity_regularizer=keras.regularizers.L2(1e-3),
            kernel_constraint=keras.constraints.MaxNorm(2.0),
        ),
        layers.UnitNormalization(),
        layers.Dense(2, kernel_regularizer="orthogonal_regularizer"),
    )


def convolutions():
    return sequential(
        (8, 8, 3),
        layers.Rescaling(1 / 255),
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.PReLU(shared_axes=[1, 2]),
        layers.SpatialDropout2D(0.1),
        layers.SeparableConv2D(4, 3, padding="same", activation="swish"),
        layers.GroupNormalization(2),
        layers.MaxPooling2D(),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Conv2DTranspose(3, 2, strides=2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, "softmax"),
    )


def augmented():
    return sequential(
        (8, 8, 3),
        layers.RandomFlip("horizontal", seed=1),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
        layers.Resizing(4, 4),
        layers.Flatten(),
        layers.GaussianNoise(0.1),
        layers.Dense(2),
    )


def residual():
    x = keras.Input((6,))
    y = layers.LeakyReLU(0.1)(layers.Dense(6)(x))
    y = layers.Add()([x, y])
    z = layers.Concatenate()([y, layers.Multiply()([x, y])])
    return keras.Model(x, layers.Dense(2)(z))


def operations():
    x = keras.Input((6,))
    y = keras.ops.relu(2.0 * x[:, ::2] - 1.0)
    y = keras.ops.concatenate([y, keras.ops.exp(-y), y**2], axis=-1)
    y = keras.ops.reshape(y, (-1, 3, 3)) / 3.0
    y = keras.ops.einsum("bij,bkj->bik", y, y)
    return keras.Model(x, layers.Dense(2)(keras.ops.mean(y, axis=1)))


def nested():
    inner = sequential((6,), layers.Dense(4, "tanh"), layers.Dropout(0.5))
    x = keras.Input((6,))
    block = keras.Model(x, layers.Dense(3)(inner(x)), name="block")
    block.compile("sgd", "mse", metrics=["mae"])
    outer = keras.Input((6,))
    return keras.Model(outer, layers.Dense(2)(block(outer)))


def shared():
    dense = layers.Dense(6, "relu")
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(2)(dense(dense(x))))


def several():
    x = keras.Input((6,), name="x")
    hidden = layers.Dense(3, "relu")(x)
    return keras.Model(
        {"x": x},
        {"one": layers.Dense(1)(hidden), "two": layers.Dense(2)(hidden)},
    )


def recurrent():
    return sequential(
        (5, 3),
        layers.Masking(),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.TimeDistributed(layers.Dense(3, "tanh")),
        layers.GRU(2, dropout=0.1, return_sequences=True),
        layers.SimpleRNN(2),
    )


def cells():
    cells = [layers.LSTMCell(3), layers.GRUCell(2)]
    return sequential((5, 3), layers.RNN(cells), layers.Dense(2))


def attention():
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=False)(x)
    y = layers.LayerNormalization()(
        y + layers.MultiHeadAttention(2, 3, value_dim=2)(y, y)
    )
    y = layers.Attention()([y, y])
    return keras.Model(x, layers.Dense(2)(layers.GlobalMaxPooling1D()(y)))


def grouped_attention():
    x = keras.Input((5, 3))
    y = layers.GroupQueryAttention(2, 4, 2)(x, x)
    y = layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")(y)
    return keras.Model(x, layers.RMSNormalization()(y))


def adapted():
    normalization = layers.Normalization()
    normalization.adapt(ROWS)
    wrapped = layers.SpectralNormalization(layers.Dense(3))
    return sequential((6,), normalization, wrapped, layers.Dense(2))


def constant_normalization():
    return sequential(
        (6,), layers.Normalization(mean=0.5, variance=2.0), layers.Dense(2)
    )


def mixed_precision():
    return sequential(
        (6,),
        layers.Dense(4, "relu", dtype="mixed_float16"),
        layers.Dense(2, dtype=keras.DTypePolicy("mixed_bfloat16")),
        layers.Dense(2, dtype="float64"),
    )


def policy_map():
    policy = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
    x = keras.Input((5, 3))
    y = layers.MultiHeadAttention(2, 2, dtype=policy)(x, x)
    return keras.Model(x, layers.Dense(2)(y))


def compiled():
    model = sequential((6,), layers.Dense(4, "relu"), layers.Dense(2))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(
        keras.optimizers.AdamW(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(1)],
    )
    model.fit(ROWS, np.arange(4) % 2, epochs=1, verbose=0)
    return model


def without_weights():
    return sequential((6,), layers.Activation(keras.activations.tanh))


BUILDERS = {
    regularized: ROWS,
    convolutions: IMAGES,
    augmented: IMAGES,
    residual: ROWS,
    operations: ROWS,
    nested: ROWS,
    shared: ROWS,
    several: {"x": ROWS},
    recurrent: SERIES,
    cells: SERIES,
    attention: WORDS,
    grouped_attention: SERIES,
    adapted: ROWS,
    constant_normalization: ROWS,
    mixed_precision: ROWS,
    policy_map: SERIES,
    without_weights: ROWS,
}


def check_same(model, path, x, **options):
    """The model comes back the same, and was described as it is."""
    model.save(path)
    loaded = load_model(path, limits=Limits(), **options)
    # Keras does not save the seeds of all layers.
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    one, two = model(x, training=False), loaded(x, training=False)
    for ours, theirs in zip(
        keras.tree.flatten(one), keras.tree.flatten(two), strict=True
    ):
        # The same operations on the same numbers.
        np.testing.assert_array_equal(ours, theirs)
    description = inspect_model(path, limits=Limits())
    assert description.parameters == model.count_params()
    assert description.parameters == sum(
        layer.parameters for layer in description.layers
    )
    shapes = tuple(tuple(tensor.shape) for tensor in model.inputs)
    assert description.input_shapes == shapes
    shapes = tuple(tuple(tensor.shape) for tensor in model.outputs)
    assert description.output_shapes in (shapes, ())
    return loaded, description


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_typical_models(tmp_path, build):
    model = build()
    loaded, _ = check_same(model, tmp_path / "a.keras", BUILDERS[build])
    assert not loaded.compiled


def test_typical_model_with_its_optimizer(tmp_path):
    model = compiled()
    loaded, description = check_same(
        model, tmp_path / "a.keras", ROWS, compile=True
    )
    assert int(loaded.optimizer.iterations.numpy()) == 1
    assert description.optimizer == "AdamW"
    assert description.loss == "SparseCategoricalCrossentropy"
    assert not load_model(tmp_path / "a.keras").compiled


@pytest.mark.parametrize("name", models.NAMES)
def test_networks_of_the_package(tmp_path, name):
    shape = (6,) if name.startswith("F") else (8, 8, 3)
    x = ROWS if name.startswith("F") else IMAGES
    model = getattr(models, name)(3, shape, seed=0)
    loaded, description = check_same(model, tmp_path / "a.keras", x)
    assert type(loaded) is type(model)
    names = [layer.name for layer in model.layers[1:]]
    assert [layer.name for layer in description.layers] == names
    classes = [type(layer).__name__ for layer in model.layers[1:]]
    assert [layer.class_name for layer in description.layers] == classes
    assert description.output_shapes == ((None, 3),)
