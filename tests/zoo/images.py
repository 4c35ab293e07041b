"""Convolutions, pooling, resizing and normalisation."""

import keras
import numpy as np
from keras import layers

from tests.zoo.case import Case, classes, cross_entropy, normal, stack, zoo


def settle(model):
    """Moving statistics that are not those of a new layer."""
    generator = np.random.default_rng(0)
    for variable in model.non_trainable_variables:
        if "moving" in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return model


@zoo
def convolutions_1d():
    model = stack(
        (8, 2),
        layers.Conv1D(3, 3, padding="causal", dilation_rate=2),
        layers.Activation("tanh"),
        layers.SeparableConv1D(3, 3, padding="same"),
        layers.AveragePooling1D(2),
        layers.DepthwiseConv1D(2),
        layers.Conv1DTranspose(2, 3, strides=2),
        layers.UpSampling1D(),
        layers.MaxPooling1D(2),
        layers.GlobalAveragePooling1D(),
    )
    return Case(model, (normal(8, 2), normal(2)))


@zoo
def convolutions_2d():
    model = stack(
        (6, 6, 2),
        layers.Conv2D(4, 3, strides=2, padding="same", groups=2),
        layers.Activation("tanh"),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.SeparableConv2D(3, 3, padding="same", activation="tanh"),
        layers.Conv2DTranspose(2, 3, strides=2),
        layers.ZeroPadding2D(),
        layers.Cropping2D(),
        layers.GlobalAveragePooling2D(),
    )
    return Case(model, (normal(6, 6, 2), normal(2)))


@zoo
def convolutions_3d():
    model = stack(
        (4, 4, 4, 1),
        layers.Conv3D(2, 2, activation="tanh"),
        layers.Conv3DTranspose(2, 2),
        # TensorFlow pools volumes in float32 only.
        layers.AveragePooling3D(2, dtype="float32"),
        layers.MaxPooling3D(2, dtype="float32"),
        layers.Flatten(),
    )
    return Case(model, (normal(4, 4, 4, 1), normal(2)), is_single=True)


@zoo
def pooling_2d():
    inputs = keras.Input((6, 6, 1))
    hidden = layers.Conv2D(3, 3, activation="tanh", padding="same")(inputs)
    kinds = [
        layers.GlobalMaxPooling2D()(layers.MaxPooling2D(3, 2)(hidden)),
        layers.Flatten()(layers.AveragePooling2D(3, padding="same")(hidden)),
        layers.Flatten()(layers.AdaptiveAveragePooling2D(2)(hidden)),
        layers.Flatten()(layers.AdaptiveMaxPooling2D(2)(hidden)),
    ]
    outputs = layers.Dense(2)(layers.Concatenate()(kinds))
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    return Case(model, (normal(6, 6, 1), normal(2)))


def resized(*resizers, is_single):
    inputs = keras.Input((4, 4, 1))
    hidden = layers.Conv2D(2, 3, activation="tanh", padding="same")(inputs)
    sizes = [layers.Conv2D(1, 3)(resize(hidden)) for resize in resizers]
    outputs = [layers.Flatten()(layers.Activation("tanh")(s)) for s in sizes]
    outputs = layers.Dense(2)(layers.Concatenate()(outputs))
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    return Case(model, (normal(4, 4, 1), normal(2)), is_single=is_single)


@zoo
def resizing_bilinear():
    return resized(
        layers.UpSampling2D(interpolation="bilinear"),
        layers.Resizing(3, 5),
        is_single=True,
    )


@zoo
def resizing_bicubic_and_lanczos():
    return resized(
        layers.UpSampling2D(interpolation="bicubic"),
        # TensorFlow has no gradient of this one in float64.
        layers.UpSampling2D(interpolation="lanczos3", dtype="float32"),
        is_single=True,
    )


@zoo
def resizing_nearest():
    return resized(
        layers.UpSampling2D(), layers.Resizing(5, 5, "nearest"), is_single=False
    )


def batch_normalised():
    return settle(
        stack(
            (5, 5, 1),
            layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(scale=False),
            layers.Activation("softplus"),
            layers.Flatten(),
            layers.Dense(2),
        )
    )


@zoo
def batch_normalisation():
    return Case(batch_normalised(), (normal(5, 5, 1), normal(2)))


@zoo
def batch_normalisation_by_batch():
    return Case(
        batch_normalised(),
        (normal(5, 5, 1), normal(2)),
        {"batch_norm": "batch", "batch_size": 6},
    )


@zoo
def other_normalisations():
    model = stack(
        (4, 4, 2),
        layers.Conv2D(4, 3, padding="same"),
        layers.GroupNormalization(2),
        layers.Activation("tanh"),
        layers.Conv2D(4, 3),
        layers.LayerNormalization(axis=[1, 2]),
        layers.Conv2D(3, 1),
        layers.UnitNormalization(),
        layers.Flatten(),
        layers.Dense(4),
        layers.RMSNormalization(),
        layers.LayerNormalization(scale=False),
        layers.Dense(2),
    )
    return Case(model, (normal(4, 4, 2), normal(2)))


@zoo
def spectral_normalisation():
    model = stack(
        (4, 4, 1),
        layers.SpectralNormalization(layers.Conv2D(3, 3, activation="tanh")),
        layers.Flatten(),
        layers.SpectralNormalization(layers.Dense(2)),
    )
    return Case(model, (normal(4, 4, 1), normal(2)))


@zoo
def input_normalisation():
    normalisation = layers.Normalization()
    normalisation.adapt(normal(4))
    model = stack(
        (4,),
        normalisation,
        layers.Rescaling(0.5),
        layers.Dense(3, "tanh"),
        layers.Dense(3),
        loss=cross_entropy(),
    )
    return Case(model, (normal(4), classes(3)))


@zoo
def residual_block_of_a_mobile_network():
    inputs = keras.Input((5, 5, 2))
    hidden = layers.Conv2D(4, 1)(inputs)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.Activation("swish")(hidden)
    hidden = layers.DepthwiseConv2D(3, padding="same")(hidden)
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
    excited = layers.Conv2D(4, 1, activation="sigmoid")(squeezed)
    hidden = layers.Multiply()([hidden, excited])
    hidden = layers.Add()([layers.Conv2D(2, 1)(hidden), inputs])
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(hidden))
    model.compile(loss="mse")
    return Case(settle(model), (normal(5, 5, 2), normal(2)))
