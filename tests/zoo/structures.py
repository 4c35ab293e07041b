"""How models are put together: inputs, outputs, losses, weights, sharing."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tests.zoo.case import (
    NUM_SAMPLES,
    Case,
    classes,
    cross_entropy,
    normal,
    stack,
    zoo,
)


@zoo
def sequential():
    model = stack(
        (4,),
        layers.Dense(5, activation="tanh"),
        layers.Dropout(0.5),
        layers.GaussianNoise(0.5),
        layers.Dense(3),
        loss=cross_entropy(),
    )
    return Case(model, (normal(4), classes(3)))


@zoo
def functional_with_a_skip():
    inputs = keras.Input((4,))
    hidden = layers.Dense(4, activation="tanh")(inputs)
    hidden = layers.Add()([hidden, inputs])
    hidden = keras.ops.sin(hidden) * 2.0
    outputs = layers.Dense(1, activation="sigmoid")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(loss="binary_crossentropy")
    return Case(model, (normal(4), classes(2)[:, None].astype("float64")))


class Subclassed(keras.Model):
    """Layers in a list and in a dict, and a weight of the model's own."""

    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(4, activation="tanh") for _ in range(2)]
        self.heads = {"main": layers.Dense(2)}
        self.scale = self.add_weight(name="scale", initializer="ones")

    def call(self, x, training=None):
        for block in self.blocks:
            x = self.scale * block(x)
        return self.heads["main"](x)


@zoo
def subclassed():
    model = Subclassed()
    model(normal(3))
    model.compile(loss=cross_entropy())
    return Case(model, (normal(3), classes(2)))


def two_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    hidden = layers.Concatenate()(
        [layers.Dense(3, "tanh")(a), layers.Dense(3, "tanh")(b)]
    )
    return a, b, hidden


@zoo
def inputs_in_a_dict():
    a, b, hidden = two_inputs()
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(hidden))
    model.compile(loss="mse")
    return Case(model, ({"a": normal(2), "b": normal(3)}, normal(1)))


@zoo
def inputs_in_a_list():
    a, b, hidden = two_inputs()
    model = keras.Model([a, b], layers.Dense(1)(hidden))
    model.compile(loss=keras.losses.MeanSquaredError())
    return Case(model, ([normal(2), normal(3)], normal(1)))


@zoo
def outputs_in_a_dict():
    a, b, hidden = two_inputs()
    outputs = {
        "kind": layers.Dense(3, name="kind")(hidden),
        "size": layers.Dense(1, name="size")(hidden),
    }
    model = keras.Model([a, b], outputs)
    model.compile(
        loss={"kind": cross_entropy(), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.3},
        metrics={"kind": "accuracy"},
    )
    y = {"kind": classes(3), "size": normal(1)}
    return Case(model, ([normal(2), normal(3)], y))


@zoo
def outputs_in_a_list():
    a, b, hidden = two_inputs()
    outputs = [layers.Dense(3)(hidden), layers.Dense(1)(hidden)]
    model = keras.Model([a, b], outputs)
    model.compile(loss=[cross_entropy(), "log_cosh"], loss_weights=[0.5, 2.0])
    weights = [np.linspace(0, 2, NUM_SAMPLES), np.linspace(3, 1, NUM_SAMPLES)]
    return Case(
        model,
        ([normal(2), normal(3)], [classes(3), normal(1)]),
        {"sample_weight": weights},
    )


@zoo
def an_output_without_a_loss():
    a, b, hidden = two_inputs()
    outputs = {"used": layers.Dense(1)(hidden), "seen": hidden}
    model = keras.Model([a, b], outputs)
    model.compile(loss={"used": "mse", "seen": None})
    y = {"used": normal(1), "seen": normal(6)}
    return Case(model, ([normal(2), normal(3)], y))


@zoo
def sample_weights():
    model = stack(
        (4,), layers.Dense(4, "tanh"), layers.Dense(3), loss=cross_entropy()
    )
    weights = np.linspace(0, 3, NUM_SAMPLES)
    return Case(model, (normal(4), classes(3)), {"sample_weight": weights})


@zoo
def class_weights():
    model = stack(
        (4,), layers.Dense(4, "tanh"), layers.Dense(3), loss=cross_entropy()
    )
    weights = {0: 0.5, 2: 3.0}
    return Case(model, (normal(4), classes(3)), {"class_weight": weights})


def contrast(model, batch):
    """Of two views of a sample, one loss per sample, without targets."""
    x = batch["image"]
    views = [model(view, training=False) for view in (x, x * 1.5)]
    similarity = keras.ops.sum(views[0] * views[1], axis=-1)
    return keras.ops.softplus(-similarity)


@zoo
def own_function_without_targets():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, "tanh", kernel_regularizer="l2"),
            layers.Dense(2),
        ]
    )
    return Case(model, ({"image": normal(3)},), {"loss_fn": contrast})


@zoo
def nested_losses_not_compiled():
    a, b, hidden = two_inputs()
    outputs = {
        "kind": layers.Dense(3, "softmax", name="kind")(hidden),
        "size": layers.Dense(1, name="size")(hidden),
    }
    model = keras.Model([a, b], outputs)
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    y = {"kind": classes(3), "size": normal(1)}
    return Case(model, ([normal(2), normal(3)], y), {"loss": losses})


@zoo
def one_output_in_a_dict():
    inputs = keras.Input((3,))
    outputs = {"kind": layers.Dense(3, "softmax", name="kind")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile(loss={"kind": "sparse_categorical_crossentropy"})
    return Case(model, (normal(3), {"kind": classes(3)}))


@zoo
def frozen_layers():
    model = stack(
        (4,),
        layers.Dense(4, "tanh", name="frozen"),
        layers.BatchNormalization(name="frozen_norm"),
        layers.Dense(4, "tanh"),
        layers.Dense(2),
    )
    for name in ("frozen", "frozen_norm"):
        model.get_layer(name).trainable = False
    return Case(model, (normal(4), normal(2)))


@zoo
def low_rank_adaptation():
    model = stack((4,), layers.Dense(4, "tanh", lora_rank=2), layers.Dense(2))
    # The factor that starts from zero would hide the other one.
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    # Keras makes the factors in its default dtype while it builds the layer.
    return Case(model, (normal(4), normal(2)), is_single=True)


@zoo
def shared_layer():
    left, right = keras.Input((3,)), keras.Input((3,))
    embed = keras.Sequential([layers.Dense(4, "tanh"), layers.Dense(3, "tanh")])
    distance = layers.Dot(axes=-1)([embed(left), embed(right)])
    model = keras.Model([left, right], layers.Dense(1)(distance))
    model.compile(loss="mse")
    return Case(model, ([normal(3), normal(3, seed=5)], normal(1, seed=6)))


@zoo
def nested_models():
    inside = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(3, "tanh")]
    )
    inputs = keras.Input((4,))
    hidden = layers.Average()([inside(inputs), inside(inputs * 2.0)])
    model = keras.Model(inputs, layers.Dense(2)(hidden))
    model.compile(loss="mse")
    return Case(model, (normal(4), normal(2)))


@zoo
def regularised():
    model = stack(
        (4,),
        layers.Dense(
            4,
            "tanh",
            kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02),
            bias_regularizer="l2",
            activity_regularizer=keras.regularizers.L2(0.03),
        ),
        layers.ActivityRegularization(l2=0.1),
        layers.Dense(4),
    )
    return Case(model, (normal(4), normal(4)))


class Variational(keras.Model):
    """A loss of its own by `add_loss`; its noise is for training."""

    def __init__(self):
        super().__init__()
        self.encoder = layers.Dense(4)
        self.decoder = layers.Dense(3)
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x, training=False):
        mean, log_variance = keras.ops.split(self.encoder(x), 2, axis=-1)
        divergence = keras.ops.exp(log_variance) + mean**2 - log_variance - 1
        self.add_loss(0.5 * keras.ops.mean(divergence))
        if training:
            noise = keras.random.normal(keras.ops.shape(mean), seed=self.seeds)
            mean = mean + keras.ops.exp(log_variance / 2) * noise
        return self.decoder(keras.ops.tanh(mean))


@zoo
def added_loss():
    model = Variational()
    model(normal(3))
    model.compile(loss="mse")
    return Case(model, (normal(3), normal(3)))


class OwnLoss(keras.Model):
    """A training step and a loss of its own, of x alone."""

    def train_step(self, data):
        raise AssertionError("a measurement does not train")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return keras.ops.mean((y_pred - keras.ops.sin(x)) ** 4)


@zoo
def own_train_step_and_loss():
    inputs = keras.Input((3,))
    outputs = layers.Dense(3)(layers.Dense(4, "tanh")(inputs))
    model = OwnLoss(inputs, outputs)
    model.compile(loss="mse")
    return Case(model, (normal(3), normal(3)))


@zoo
def made_under_a_strategy():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = stack(
            (4,),
            layers.Dense(4, "tanh"),
            layers.BatchNormalization(),
            layers.Dense(3),
            loss=cross_entropy(),
        )
    return Case(model, (normal(4), classes(3)))


@zoo
def other_dtype_inside():
    """A float32 layer in a float64 network."""
    model = stack(
        (4,),
        layers.Dense(4, "tanh"),
        layers.Dense(4, "tanh", dtype="float32"),
        layers.Dense(2),
    )
    return Case(model, (normal(4), normal(2)), is_single=True)
