"""The networks of the comparison in Keras, and digits shaped for each."""

import keras
import numpy as np

import keras_sharpness as ks


def f1():
    """F1 of Keskar et al. on digits of 28 x 28 pixels."""
    return ks.models.F1(seed=0), _digits


def c1():
    """C1 of Keskar et al. on digits enlarged to 32 x 32 x 3."""
    return ks.models.C1(seed=0), _coloured


def resnet():
    """Three residual blocks of 16, 32 and 64 channels, with batch norm.

    Convolutions of stride 2 pad by a layer of their own, as
    `keras.applications` does: `padding="same"` would pad one side only, which
    PyTorch's convolution cannot.
    """
    inputs = keras.Input((32, 32, 3))
    x = _convolution(inputs, 16, "stem")
    x = keras.layers.ReLU()(x)
    for block, (filters, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
        name = f"block_{block}"
        y = _convolution(x, filters, f"{name}_first", stride=stride)
        y = keras.layers.ReLU()(y)
        y = _convolution(y, filters, f"{name}_second")
        if stride > 1:
            x = _convolution(
                x, filters, f"{name}_shortcut", kernel_size=1, stride=stride
            )
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(10, name="logits")(x)
    return keras.Model(inputs, outputs), _coloured


def transformer():
    """Two encoder layers of width 64 with 4 heads on 49 patches of a digit."""
    inputs = keras.Input((49, 16))
    x = keras.layers.Dense(64, name="embedding")(inputs)
    x = _Position(name="position")(x)
    for block in (1, 2):
        name = f"block_{block}"
        y = _normalization(f"{name}_attention_normalization")(x)
        y = keras.layers.MultiHeadAttention(
            num_heads=4, key_dim=16, name=f"{name}_attention"
        )(y, y)
        x = keras.layers.Add()([x, y])
        y = _normalization(f"{name}_dense_normalization")(x)
        y = keras.layers.Dense(256, name=f"{name}_expand")(y)
        y = keras.layers.Activation(_gelu)(y)
        y = keras.layers.Dense(64, name=f"{name}_contract")(y)
        x = keras.layers.Add()([x, y])
    x = _normalization("normalization")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    outputs = keras.layers.Dense(10, name="logits")(x)
    return keras.Model(inputs, outputs), _patches


class _Position(keras.layers.Layer):
    def build(self, input_shape):
        self.embedding = self.add_weight(
            shape=input_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=1),
            name="embedding",
        )

    def call(self, inputs):
        return inputs + self.embedding


def _gelu(x):
    return keras.ops.gelu(x, approximate=False)


def _normalization(name):
    return keras.layers.LayerNormalization(epsilon=1e-5, name=name)


def _convolution(x, filters, name, kernel_size=3, stride=1):
    padding = "same"
    if stride > 1 and kernel_size > 1:
        x = keras.layers.ZeroPadding2D(kernel_size // 2)(x)
        padding = "valid"
    x = keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding=padding,
        use_bias=False,
        name=name,
    )(x)
    return keras.layers.BatchNormalization(name=f"{name}_normalization")(x)


def _digits(num_samples):
    digits = ks.data.load("mnist_5k").take(num_samples)
    return digits.x_train, digits.y_train


def _coloured(num_samples):
    x, y = _digits(num_samples)
    x = np.asarray(keras.ops.image.resize(x, (32, 32)))
    return np.repeat(x, 3, axis=-1), y


def _patches(num_samples):
    x, y = _digits(num_samples)
    x = x.reshape(-1, 7, 4, 7, 4).transpose(0, 1, 3, 2, 4)
    return x.reshape(-1, 49, 16), y
