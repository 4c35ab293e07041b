"""The steps against NumPy, and against Keras' own training step."""

import warnings

import keras
import numpy as np
import pytest

from keras_sharpness.training import train
from keras_sharpness.training.state import epoch_order


@pytest.mark.parametrize("jit_compile", [False, True])
def test_sgd_on_linear_regression_equals_numpy(float64, jit_compile):
    # The oracle knows neither Keras nor TensorFlow: the gradient of
    # (1/|B|) Σ sᵢ (xᵢ·w + b - yᵢ)² + λ‖w‖² written out by hand.
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(23, 3)), rng.normal(size=(23, 1))
    sample_weight = rng.uniform(0.5, 2.0, 23)
    # The regulariser keeps its factor as a float32.
    rate, decay = 0.05, 1 / 128
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(
                1, kernel_regularizer=keras.regularizers.L2(decay)
            ),
        ]
    )
    w, b = (np.array(v) for v in model.weights)
    losses = []
    for epoch in range(4):
        order = epoch_order(23, seed=7, epoch=epoch)
        total = 0.0
        for first in range(0, 23, 5):  # four batches of 5, one of 3
            batch = order[first : first + 5]
            residual = x[batch] @ w + b - y[batch]
            s = sample_weight[batch][:, None]
            loss = np.mean(s * residual**2) + decay * np.sum(w**2)
            total += loss * len(batch)
            slope = 2 * s * residual / len(batch)
            w_gradient = x[batch].T @ slope + 2 * decay * w
            w, b = w - rate * w_gradient, b - rate * slope.sum(axis=0)
        losses.append(total / 23)

    history = train(
        model,
        x,
        y,
        sample_weight=sample_weight,
        batch_size=5,
        epochs=4,
        optimizer=keras.optimizers.SGD(rate),
        loss="mse",
        seed=7,
        jit_compile=jit_compile,
    )
    # Float64 rounds at 1e-16; 20 updates of numbers near 1 add up to some
    # 1e-14. The learning rate is a float64 variable here.
    np.testing.assert_allclose(model.weights[0], w, rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.weights[1], b, rtol=0, atol=1e-13)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)
    assert history.accuracy is None


@pytest.mark.parametrize(
    ("jit_compile", "batch_size"),
    [(False, 16), (True, 25)],  # 16 leaves a last batch of 2 samples
)
def test_adam_equals_train_on_batch(
    make_classifier, blobs, jit_compile, batch_size
):
    x, y = blobs
    ours, keras_own = make_classifier(), make_classifier()
    history = train(
        ours,
        x,
        y,
        batch_size=batch_size,
        epochs=3,
        seed=5,
        jit_compile=jit_compile,
    )
    for epoch in range(3):
        order = epoch_order(50, seed=5, epoch=epoch)
        total = {"loss": 0.0, "accuracy": 0.0}
        for first in range(0, 50, batch_size):
            batch = order[first : first + batch_size]
            logs = keras_own.train_on_batch(
                x[batch], y[batch], return_dict=True
            )
            for name in total:
                total[name] += logs[name] * len(batch) / 50
        # Float32 rounds at 6e-8, batch statistics and Adam's division by
        # √v̂ amplify it; three epochs stay within a few hundred roundings.
        assert history.loss[epoch] == pytest.approx(total["loss"], rel=1e-4)
        assert history.accuracy[epoch] == pytest.approx(total["accuracy"])
    for one, other in zip(ours.weights, keras_own.weights, strict=True):
        # An entry whose gradient is rounding error moves by the learning rate
        # 1e-3 in the direction of its sign; none of these networks has one.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)


def test_validation_equals_evaluate(make_classifier, blobs):
    x, y = blobs
    model = make_classifier(dropout=0.5)
    sample_weight = np.linspace(0, 2, 50)
    history = train(
        model,
        x,
        y,
        batch_size=16,
        epochs=1,
        validation_data=(x, y, sample_weight),
    )
    expected = model.evaluate(
        x, y, batch_size=50, sample_weight=sample_weight, return_dict=True,
        verbose=0,
    )  # fmt: skip
    # Means over 50 float32 losses, cut into batches in two ways.
    assert history.val_loss[0] == pytest.approx(expected["loss"], rel=1e-5)
    assert history.val_accuracy[0] == pytest.approx(expected["accuracy"])


class Counting(keras.layers.Layer):
    """Counts how often Python runs through it while training."""

    calls = 0

    def call(self, x, training=False):
        Counting.calls += bool(training)
        return x


def test_the_step_is_traced_once_and_once_more_for_a_short_batch(blobs):
    x, y = blobs
    for batch_size, num_traces in ((25, 1), (20, 2)):
        model = keras.Sequential(
            [keras.Input((4,)), Counting(), keras.layers.Dense(3)]
        )
        Counting.calls = 0
        train(
            model,
            x,
            y,
            batch_size=batch_size,
            epochs=6,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        assert Counting.calls == num_traces


class WithOwnLoss(keras.Model):
    """Linear regression that computes its loss by itself."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, use_bias=False)

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return keras.ops.mean(keras.ops.abs(y_pred - y))


def test_own_compute_loss_and_call_without_training_argument(float64):
    x, y = np.array([[1.0], [2.0]]), np.array([[5.0], [5.0]])
    model = WithOwnLoss()
    model(x)
    model.dense.kernel.assign([[0.0]])
    history = train(
        model, x, y, batch_size=2, epochs=2,
        optimizer=keras.optimizers.SGD(0.5),
    )  # fmt: skip
    # d/dw of the mean of |w xᵢ - 5| is -1.5 below the kink, so w goes
    # 0, 0.75, 1.5; the numbers are exact in binary.
    assert model.dense.kernel.numpy().item() == 1.5
    np.testing.assert_array_equal(history.loss, [5.0, 5.0 - 0.75 * 1.5])


class ActivityLoss(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x**2))
        return x


def test_losses_of_layers_count(float64):
    x, y = np.array([[2.0], [4.0]]), np.zeros((2, 1))
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False),
            ActivityLoss(),
        ]
    )
    model.layers[0].kernel.assign([[1.0]])
    history = train(
        model, x, y, batch_size=2, epochs=1, optimizer="sgd", loss="mse"
    )
    assert history.loss[0] == 20.0  # the mean square, 10, twice


def test_nested_inputs_and_outputs(blobs):
    x, y = blobs
    one, two = keras.Input((4,), name="one"), keras.Input((2,), name="two")
    hidden = keras.layers.Concatenate()([one, two])
    model = keras.Model(
        {"one": one, "two": two},
        {
            "label": keras.layers.Dense(3, name="label")(hidden),
            "sum": keras.layers.Dense(1, name="sum")(hidden),
        },
    )
    losses = {
        "label": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "sum": "mse",
    }
    model.compile("sgd", losses)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile("sgd", losses)
    inputs = {"one": x, "two": x[:, :2]}
    targets = {"label": y, "sum": x.sum(axis=1)}
    history = train(model, inputs, targets, batch_size=20, epochs=1)
    assert history.accuracy is None
    order = epoch_order(50, seed=0, epoch=0)
    for first in range(0, 50, 20):
        batch = order[first : first + 20]
        twin.train_on_batch(
            {name: a[batch] for name, a in inputs.items()},
            {name: a[batch] for name, a in targets.items()},
        )
    for ours, other in zip(model.weights, twin.weights, strict=True):
        # Three plain SGD steps in float32.
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_mixed_precision_learns(blobs, policy, jit_compile):
    x, y = blobs
    layers, normal = keras.layers, keras.initializers.HeNormal
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(16, "relu", kernel_initializer=normal(1)),
                layers.Dense(3, kernel_initializer=normal(2)),
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = train(
        model, x, y, batch_size=10, epochs=20, jit_compile=jit_compile
    )
    assert history.accuracy[-1] > 0.9
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")


class GlobalNoise(keras.layers.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


class TensorFlowNoise(keras.layers.Layer):
    def call(self, x):
        import tensorflow as tf

        return x + tf.random.normal(tf.shape(x))


@pytest.mark.parametrize("layer", [GlobalNoise, TensorFlowNoise])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_random_numbers_without_a_seed_are_refused(blobs, layer, jit_compile):
    x, y = blobs
    model = keras.Sequential(
        [keras.Input((4,)), layer(), keras.layers.Dense(3)]
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    with pytest.raises(ValueError, match=r"`keras\.random\.SeedGenerator`"):
        train(model, x, y, batch_size=10, epochs=1, jit_compile=jit_compile)


def test_an_operation_that_xla_lacks_names_the_remedy(blobs):
    import tensorflow as tf

    class Texts(keras.layers.Layer):
        def call(self, x):
            lengths = tf.strings.length(tf.as_string(x))
            return x + tf.cast(lengths, x.dtype)

    x, y = blobs
    model = keras.Sequential(
        [keras.Input((4,)), Texts(), keras.layers.Dense(3)]
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(tf.errors.OpError) as caught:
            train(model, x, y, batch_size=10, epochs=1, jit_compile=True)
    assert "jit_compile=False" in caught.value.__notes__[0]
