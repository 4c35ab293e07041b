"""Batches accumulated over parts: their gradient, and what is refused."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training.state import epoch_order

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
DENSE = keras.layers.Dense


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_parts_make_up_the_batch(float64, blobs, optimizer, jit_compile):
    # Batches of 20, 20 and 10 in parts of 7, 7, 6 and of 7, 3.
    weights, losses = [], []
    sample_weight = np.linspace(0.5, 2.0, 50)
    for size in (None, 7):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                DENSE(8, "tanh", kernel_regularizer="l2"),
                DENSE(3),
            ]
        )
        # Made here: the loss is of float64, too.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss)
        history = ks.train(
            model, *blobs, batch_size=20, epochs=2, micro_batch_size=size,
            sample_weight=sample_weight, validation_data=blobs,
            jit_compile=jit_compile,
        )  # fmt: skip
        weights.append(np.concatenate([v.ravel() for v in model.get_weights()]))
        losses.append(history.to_frame().drop(columns="seconds"))
        assert history.num_updates == 6
    # Sums of the same 20 numbers in another order, float64: 20 roundings of
    # 1e-16 a gradient. Adam divides by √v̂ + 1e-7, at most 1e7 times as much
    # for a gradient of zero, which none is here; six updates.
    np.testing.assert_allclose(weights[1], weights[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12)


def test_batch_normalisation_over_parts_equals_numpy(float64):
    # y = γ (x - m)/√(v + 1e-3) + β of each part, by itself; the loss is the
    # mean of (y - t)² over the batch; γ and β move by the parts' gradients,
    # each counting by its size, and the moving mean once a part.
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(23, 2)), rng.normal(size=(23, 2))
    momentum, rate = 0.75, 0.1
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(momentum=momentum)]
    )
    gamma, beta = np.ones(2), np.zeros(2)
    mean, variance = np.zeros(2), np.ones(2)
    for epoch in range(2):
        order = epoch_order(23, seed=0, epoch=epoch)
        for first in range(0, 23, 10):  # batches of 10, 10 and 3
            batch = order[first : first + 10]
            g_gamma, g_beta = np.zeros(2), np.zeros(2)
            for start in range(0, len(batch), 4):  # parts of 4, 4, 2; of 3
                rows = batch[start : start + 4]
                share = len(rows) / len(batch)
                m, v = x[rows].mean(axis=0), x[rows].var(axis=0)
                z = (x[rows] - m) / np.sqrt(v + 1e-3)
                slope = 2 * (gamma * z + beta - t[rows]) / (2 * len(rows))
                g_gamma += share * np.sum(slope * z, axis=0)
                g_beta += share * np.sum(slope, axis=0)
                mean = momentum * mean + (1 - momentum) * m
                variance = momentum * variance + (1 - momentum) * v
            gamma, beta = gamma - rate * g_gamma, beta - rate * g_beta
    ks.train(
        model, x, t, batch_size=10, epochs=2, micro_batch_size=4, loss="mse",
        optimizer=keras.optimizers.SGD(rate),
    )  # fmt: skip
    # Some ten updates of numbers near 1 in float64.
    for ours, expected in zip(
        model.get_weights(), (gamma, beta, mean, variance), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)


def test_embeddings_and_unused_variables(float64):
    # Gradients by rows, and none at all.
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = keras.layers.Embedding(5, 2)
            self.unused = DENSE(3)
            self.dense = DENSE(1)

        def build(self, shape):
            self.embedding.build(shape)
            self.unused.build((None, 2))
            self.dense.build((None, 2))

        def call(self, x):
            return self.dense(keras.ops.mean(self.embedding(x), axis=1))

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (12, 3)), rng.normal(size=(12, 1))
    ends = []
    for size in (None, 5):
        keras.utils.set_random_seed(0)
        model = Net()
        with pytest.warns(UserWarning, match="Gradients do not exist"):
            ks.train(
                model, x, y, batch_size=12, epochs=3, loss="mse",
                optimizer="sgd", micro_batch_size=size,
            )  # fmt: skip
        ends.append(model.get_weights())
    for one, other in zip(*ends, strict=True):
        # Sums of a dozen float64 numbers in another order.
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_half_precision_with_its_loss_scale(blobs, jit_compile):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), DENSE(16), DENSE(3)])
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.02), LOGITS_LOSS)
    history = ks.train(
        model, *blobs, batch_size=20, epochs=20, micro_batch_size=8,
        jit_compile=jit_compile,
    )  # fmt: skip
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert history.accuracy[-1] > 0.9


def test_resumed_in_the_middle_with_dropout(
    make_convnet, images, assert_same_bits, tmp_path
):
    options = {"batch_size": 20, "micro_batch_size": 8, "seed": 3}
    whole = make_convnet()
    history = ks.train(whole, *images, epochs=4, **options)
    path = tmp_path / "training.npz"

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and not path.with_suffix(".stopped").exists():
                path.with_suffix(".stopped").touch()
                raise KeyboardInterrupt

    resumed = make_convnet()
    for _ in range(2):
        try:
            again = ks.train(
                resumed, *images, epochs=4, checkpoint=path,
                callbacks=[Stop()], **options,
            )  # fmt: skip
        except KeyboardInterrupt:
            assert path.exists()
            resumed = make_convnet()
    assert_same_bits(whole, history, resumed, again)


def test_another_size_of_parts_refuses_the_checkpoint(blobs, tmp_path):
    options = {
        "batch_size": 20, "epochs": 1, "loss": LOGITS_LOSS,
        "checkpoint": tmp_path / "training.npz",
    }  # fmt: skip
    model = keras.Sequential([keras.Input((4,)), DENSE(3)])
    start = model.get_weights()
    ks.train(model, *blobs, **options)
    model.set_weights(start)
    with pytest.raises(
        ks.training.CheckpointError, match="micro_batch_size: None, now 5"
    ):
        ks.train(model, *blobs, micro_batch_size=5, **options)


def summed(y, y_pred):
    return keras.ops.sum((y_pred - y) ** 2)


def of_two_halves(y, y_pred):
    return keras.ops.square(keras.ops.mean(y_pred - y))


class Activity(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.sum(x**2))
        return x


@pytest.mark.parametrize(
    ("loss", "layers", "message"),
    [
        (keras.losses.MeanSquaredError("sum"), [], "reduction='sum'"),
        (summed, [], "needs a loss that is a mean over the samples"),
        (of_two_halves, [], "needs a loss that is a mean over the samples"),
        ("mse", [Activity()], "needs a loss that is a mean over the samples"),
        ("mse", [keras.layers.Masking()], "carry a mask"),
    ],
)
def test_losses_that_do_not_average_are_refused(loss, layers, message):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3, 2))
    model = keras.Sequential([keras.Input((3, 2)), *layers, DENSE(1)])
    y = rng.normal(size=(20, 3, 1))
    options = {"batch_size": 10, "epochs": 1, "loss": loss}
    with pytest.raises(ValueError, match=message) as caught:
        ks.train(model, x, y, micro_batch_size=3, **options)
    assert "micro_batch_size" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not model.compiled
    # As large as the batch: there are no parts.
    ks.train(model, x, y, micro_batch_size=10, optimizer="sgd", **options)


def test_ignored_classes_are_refused(blobs):
    x, y = blobs
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=1)
    model = keras.Sequential([keras.Input((4,)), DENSE(3)])
    with pytest.raises(ValueError, match=r"ignore_class.*`sample_weight`"):
        ks.train(
            model, x, y, batch_size=10, epochs=1, loss=loss, micro_batch_size=5
        )


def test_inputs_of_a_fixed_size():
    x = np.ones((16, 2, 1))
    layer = keras.layers.SimpleRNN(1, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(4, 2, 1)), layer])
    options = {"epochs": 1, "loss": "mse", "optimizer": "sgd"}
    with pytest.raises(ValueError, match=r"`micro_batch_size=4` and a mult"):
        ks.train(model, x, x[:, 0], batch_size=8, micro_batch_size=3, **options)


@pytest.mark.parametrize("size", [0, 2.5, 51, True])
def test_no_sizes(blobs, size):
    model = keras.Sequential([keras.Input((4,)), DENSE(3)])
    with pytest.raises(ValueError, match="`micro_batch_size` must be an int"):
        ks.train(
            model, *blobs, batch_size=10, epochs=1, loss=LOGITS_LOSS,
            micro_batch_size=size,
        )  # fmt: skip
