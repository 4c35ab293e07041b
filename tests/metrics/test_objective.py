"""The objective against values computed without Keras and TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import HessianOperator, Objective
from tests import oracle_networks


def relative(a, b):
    return np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b)


@pytest.mark.parametrize("name", sorted(oracle_networks.BUILDERS))
@pytest.mark.parametrize("batch_size", [None, 32, 7])
def test_value_gradient_and_products_equal_the_oracle(name, batch_size, floatx):
    model, data = oracle_networks.load(name)
    objective = Objective(model, data["x"], data["y"], batch_size=batch_size)
    # float64: sums of some hundred terms, each good to 1e-16, of networks
    # three layers deep. float32: 1e-7 per operation, some ten in a row, and a
    # product is a difference of larger terms.
    value_error, vector_error = {
        "float64": (1e-10, 1e-9),
        "float32": (1e-5, 1e-4),
    }[floatx]
    assert objective.value() == pytest.approx(data["loss"], rel=value_error)
    value, gradient = objective.value_and_gradient()
    assert value == pytest.approx(data["loss"], rel=value_error)
    # The quadratic's gradient vanishes: it is compared on the scale of H.
    scale = max(np.linalg.norm(data["gradient"]), 1.0)
    assert np.linalg.norm(gradient - data["gradient"]) < vector_error * scale
    block = objective.hessian_product(data["v"].T)
    assert block.shape == (objective.size, 3)
    for v, column, expected in zip(
        data["v"], block.T, data["hvp"], strict=True
    ):
        assert relative(column, expected) < vector_error
        assert relative(objective.hessian_product(v), expected) < vector_error


def small_model(**kwargs):
    """A network with batch normalisation, dropout, L2 and a seed generator."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Dense(3, activity_regularizer=keras.regularizers.L2(0.01)),
        ]
    )
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    generator = np.random.default_rng(0)
    for variable in model.non_trainable_variables:
        if "moving" in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return model


def data(num_samples=77):
    generator = np.random.default_rng(2)
    x = generator.standard_normal((num_samples, 6)).astype("float32")
    return x, generator.integers(0, 3, num_samples)


def everything(model):
    """All bits of a model: variables, optimizer, seeds, compiled loss."""
    variables = [*model.variables, *model.optimizer.variables]
    variables += model.metrics_variables
    values = [np.asarray(v.numpy()).tobytes() for v in variables]
    compiled = {
        name: repr(value) for name, value in vars(model._compile_loss).items()
    }
    layers = [sorted(vars(layer)) for layer in model._flatten_layers()]
    return values, compiled, layers


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("num_samples", [77, 64, 5])
def test_value_equals_model_evaluate(weighted, num_samples):
    model = small_model()
    x, y = data(num_samples)
    weight = np.linspace(0, 2, num_samples) if weighted else None
    objective = Objective(model, x, y, sample_weight=weight, batch_size=32)
    expected = model.evaluate(
        x, y, sample_weight=weight, batch_size=32, verbose=0, return_dict=True
    )
    # Sums of float32 losses, each good to 1e-7.
    found = objective.evaluate()
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert found["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-6)
    assert objective.value() == found["loss"]


def test_value_does_not_depend_on_the_batch_size(float64):
    model = small_model()
    x, y = data()
    values = [
        Objective(model, x, y, batch_size=size, regularization=False).value()
        for size in (1, 10, 76, 77, 1000)
    ]
    # Float64 sums of 77 terms in another order.
    np.testing.assert_allclose(values, values[0], rtol=1e-14)


def test_regularization_can_be_left_out(float64):
    model = small_model()
    x, y = data()
    with_it, without = (
        Objective(model, x, y, regularization=flag) for flag in (True, False)
    )
    logits = model(x, training=False).numpy()
    expected = np.mean(
        np.log(np.sum(np.exp(logits), axis=1)) - logits[np.arange(77), y]
    )
    # Float64 sums of 77 terms.
    assert without.value() == pytest.approx(expected, rel=1e-13)
    kernel = model.layers[0].kernel.numpy()
    penalty = 0.1 * np.sum(kernel**2) + 0.01 * np.sum(logits**2) / 77
    # Keras holds the factors 0.1 and 0.01 in float32.
    assert with_it.value() - without.value() == pytest.approx(penalty, rel=6e-8)


@pytest.mark.parametrize(
    "make_loss", [lambda: "mse", keras.losses.MeanSquaredError]
)
def test_a_given_loss_replaces_the_compiled_one(float64, make_loss):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    x, _ = data()
    y = np.ones((77, 2))
    weight = np.linspace(0, 2, 77)
    objective = Objective(model, x, y, loss=make_loss(), sample_weight=weight)
    squares = np.mean((model(x).numpy() - y) ** 2, axis=1)
    # Float64 sums of 154 terms.
    assert objective.value() == pytest.approx(
        np.mean(weight * squares), rel=1e-13
    )
    assert list(objective.evaluate()) == ["loss"]


def central_difference(function, w, v, step):
    return (function(w + step * v) - function(w - step * v)) / (2 * step)


def group_norm_model():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8),
            layers.GroupNormalization(2),
            layers.Activation("tanh"),
            layers.LayerNormalization(),
            layers.Dense(3),
        ]
    )


@pytest.mark.parametrize(
    ("mode", "build"),
    [
        ("inference", small_model),
        ("batch", small_model),
        ("inference", group_norm_model),
    ],
)
def test_derivatives_equal_central_differences(float64, mode, build):
    """TensorFlow's own moments fail this for batch and group statistics."""
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    x, y = data()
    objective = Objective(model, x, y, batch_norm=mode, batch_size=40)
    w = objective.weights
    v = np.random.default_rng(3).standard_normal((objective.size, 2))
    v /= np.linalg.norm(v, axis=0)
    for column, product in zip(
        v.T, objective.hessian_product(v).T, strict=True
    ):
        # Truncation 1e-12 times third derivatives of size 1e2, rounding
        # 1e-16 / 1e-6: 1e-9 of a number of size 0.1.
        slope = central_difference(objective.value, w, column, 1e-6)
        assert objective.gradient() @ column == pytest.approx(slope, rel=1e-6)
        numeric = central_difference(objective.gradient, w, column, 1e-6)
        assert relative(product, numeric) < 1e-6


def test_batch_mode_uses_the_statistics_of_each_batch(float64):
    model = small_model()
    x, y = data()
    first, norm = model.layers[0], model.layers[1]
    kernel, bias = (v.numpy() for v in (first.kernel, first.bias))
    gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
    losses = []
    for part in (slice(0, 40), slice(40, 77)):
        z = x[part] @ kernel + bias
        z = (z - z.mean(0)) / np.sqrt(z.var(0) + norm.epsilon) * gamma + beta
        last = model.layers[-1]
        logits = np.maximum(z, 0) @ last.kernel.numpy() + last.bias.numpy()
        rows = np.arange(len(z))
        losses += list(
            np.log(np.sum(np.exp(logits), axis=1)) - logits[rows, y[part]]
        )
    objective = Objective(
        model, x, y, batch_norm="batch", batch_size=40, regularization=False
    )
    # x is float32 in the hand-made sum and float64 of the same bits here.
    assert objective.value() == pytest.approx(np.mean(losses), rel=1e-12)
    assert objective.settings["batch_size"] == 40


def test_recalibrated_statistics_are_those_of_the_data(float64):
    model = small_model()
    x, y = data()
    recalibrated = Objective(
        model, x, y, batch_norm="recalibrate", batch_size=10
    )
    first, norm = model.layers[0], model.layers[1]
    z = x @ first.kernel.numpy() + first.bias.numpy()
    norm.moving_mean.assign(z.mean(0))
    norm.moving_variance.assign(z.var(0))
    expected = Objective(model, x, y, batch_size=10)
    # (1 - 0.99) is rounded to 1e-16 / 0.01, twice.
    assert recalibrated.value() == pytest.approx(expected.value(), rel=1e-12)
    assert relative(recalibrated.gradient(), expected.gradient()) < 1e-12


def test_recalibration_on_other_data(float64):
    model = small_model()
    x, y = data()
    train = Objective(model, x[:50], y[:50], batch_norm="recalibrate")
    test = Objective(
        model,
        x[50:],
        y[50:],
        batch_norm="recalibrate",
        calibration=train,
    )
    first, norm = model.layers[0], model.layers[1]
    z = x[:50] @ first.kernel.numpy() + first.bias.numpy()
    norm.moving_mean.assign(z.mean(0))
    norm.moving_variance.assign(z.var(0))
    expected = Objective(model, x[50:], y[50:]).value()
    assert test.value() == pytest.approx(expected, rel=1e-12)


def test_frozen_batch_norm_keeps_its_statistics(float64):
    model = small_model()
    model.layers[1].trainable = False
    x, y = data()
    values = [
        Objective(model, x, y, batch_norm=mode).value()
        for mode in ("inference", "batch", "recalibrate")
    ]
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("mode", ["inference", "batch", "recalibrate"])
def test_the_model_is_left_bit_for_bit(mode):
    model = small_model()
    x, y = data()
    before = everything(model)
    objective = Objective(model, x, y, batch_norm=mode)
    w = objective.weights + 1.0
    objective.evaluate(w)
    objective.gradient(w)
    objective.hessian_product(np.ones((objective.size, 2)), w)
    assert everything(model) == before


@keras.saving.register_keras_serializable("tests")
class Fragile(keras.layers.Layer):
    """Fails when it is told to, after it has changed a variable."""

    fail = False

    def build(self, input_shape):
        self.counter = self.add_weight(name="counter", trainable=False)

    def call(self, x):
        self.counter.assign_add(1.0)
        if Fragile.fail:
            raise ZeroDivisionError("told to")
        return x


def test_the_model_is_left_bit_for_bit_by_an_exception(monkeypatch):
    model = small_model()
    fragile = keras.Sequential(
        [*model.layers[:-1], Fragile(), model.layers[-1]]
    )
    fragile.build((None, 6))
    fragile.compile("adam", model.loss)
    x, y = data()
    objective = Objective(fragile, x, y, batch_norm="batch")
    before = everything(fragile)
    monkeypatch.setattr(Fragile, "fail", True)
    w = objective.weights + 1.0
    with pytest.raises(ZeroDivisionError):
        objective.hessian_product(np.ones(objective.size), w)
    assert everything(fragile) == before


def test_training_goes_on_as_if_nothing_was_measured():
    histories = []
    for measure in (False, True):
        model = small_model()
        x, y = data()
        if measure:
            Objective(model, x, y).gradient()
        history = model.fit(x, y, epochs=2, verbose=0, shuffle=False)
        histories.append(history.history)
    assert histories[0] == histories[1]


class Parts(keras.utils.PyDataset):
    """Batches of 30, the last one shorter."""

    def __init__(self, x, y):
        super().__init__()
        self.data = x, y
        self.epochs = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(30 * index, 30 * index + 30)
        return tuple(a[part] for a in self.data)

    def on_epoch_end(self):
        self.epochs += 1


def test_data_sets_of_batches_equal_arrays():
    model = small_model()
    x, y = data()
    arrays = Objective(model, x, y, batch_size=30)
    parts = Parts(x, y)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    weighted = tf.data.Dataset.from_tensor_slices((x, y, np.ones(77)))
    for batches in (parts, dataset, weighted.batch(30)):
        objective = Objective(model, batches)
        assert objective.num_samples == 77
        assert objective.value() == pytest.approx(arrays.value(), rel=1e-6)
        assert relative(objective.gradient(), arrays.gradient()) < 1e-5
    assert parts.epochs == 0


def test_several_inputs(float64):
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    output = keras.layers.Dense(1)(keras.layers.Concatenate()([a, b]))
    model = keras.Model({"a": a, "b": b}, output)
    x = {"a": np.ones((5, 2)), "b": np.zeros((5, 3))}
    objective = Objective(model, x, np.ones((5, 1)), loss="mse", batch_size=2)
    expected = np.mean((model(x).numpy() - 1) ** 2)
    assert objective.value() == pytest.approx(expected, rel=1e-14)


class Noise(keras.layers.Layer):
    """Random at every call, whatever `training` is."""

    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


def test_what_does_not_repeat_is_refused_by_name():
    x, y = data()
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(4),
            Noise(name="static"),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="layer 'static' gives other values"):
        Objective(model, x, y, loss=loss)
    message = "other batches at every pass"
    shuffled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(77).batch(30)
    with pytest.raises(ValueError, match=message):
        Objective(small_model(), shuffled, batch_norm="batch")
    noise = np.random.default_rng(0)

    class Augmented(Parts):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + noise.standard_normal(x.shape), y

    with pytest.raises(ValueError, match=message):
        Objective(small_model(), Augmented(x, y))


class Traced(keras.layers.Layer):
    """Counts how often it is part of a graph."""

    count = 0

    def call(self, x):
        self.count += not tf.executing_eagerly()
        return x


@pytest.mark.parametrize("batch_size", [10, 77])
def test_only_what_is_asked_for_is_traced(batch_size):
    x, y = data()
    # As many weights times samples as a costly product may have.
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(500, "tanh"),
            Traced(name="traced"),
            keras.layers.Dense(100, "tanh"),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy")
    traced = model.get_layer("traced")
    traced.count = 0  # building counts
    objective = Objective(model, x, y, batch_size=batch_size)
    assert objective.size * len(x) > 2e6
    assert traced.count == 0
    v = np.random.default_rng(0).standard_normal(objective.size)
    objective.hessian_product(v)
    # The last batch may be shorter.
    products = 1 if batch_size == len(x) else 2
    assert traced.count == products
    objective.hessian_product(-v)
    assert np.any(HessianOperator(objective) @ v)
    assert traced.count == products


def test_noise_that_an_untrained_loss_hides_is_refused():
    x, y = data()
    model = keras.Sequential(
        [
            keras.Input((6,)),
            Noise(name="static"),
            # Logits are zero whatever the noise.
            keras.layers.Dense(3, kernel_initializer="zeros"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="layer 'static' gives other values"):
        Objective(model, x, y, loss=loss)


def test_noise_in_a_late_batch_is_refused():
    noise = np.random.default_rng(0)

    class LateNoise(Parts):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            # Behind the batches that are evaluated without compiling.
            return x + (index > 8) * noise.standard_normal(x.shape), y

    x, y = (np.concatenate([array] * 4) for array in data())
    with pytest.raises(ValueError, match="other batches at every pass"):
        Objective(small_model(), LateNoise(x, y))


def bad_inputs():
    x, y = data()
    nan = x.copy()
    nan[3, 2] = np.nan
    yield (x, y + 1), {}, "whole numbers from 0 to 2, .* Received: 1 to 3"
    yield (x, y - 1), {}, "Received: -1 to 1"
    yield (x, y + 0.5), {}, "whole numbers"
    yield (x, np.eye(3)[y]), {}, r"shape \(77, 3\), but sparse.*one-hot"
    yield (x[:0], y[:0]), {}, "The data are empty"
    yield (x, y[:5]), {}, "same number of samples. Received: 5, 77"
    yield (nan, y), {}, "`x` holds NaN or infinity in 1 entries"
    yield (x[:, :4], y), {}, r"do not fit model .* expects \(None, 6\)"
    yield (x, None), {}, r"needs targets. Pass `y`\."
    yield (x, None), {"loss": "mse"}, r"error needs targets. Pass `y`\."
    yield (x, y), {"loss": "mse"}, r"shape \(77,\), but .* \(77, 3\)"
    yield (
        (x, y),
        {"loss": "sparse_categorical_crossentropy"},
        "expects probabilities.*from_logits=True",
    )
    yield (
        (x, y),
        {"loss": keras.losses.MeanSquaredError(reduction="sum")},
        "how the data are cut into batches",
    )
    yield (x, y), {"batch_size": 0}, "`batch_size` must be an integer of"
    yield (x, y), {"batch_norm": "frozen"}, "'inference', 'batch', 'recalib"
    yield (iter([(x, y)]),), {}, "can be read only once"
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    yield (dataset.repeat(),), {}, "infinite data set"
    yield (dataset, y), {}, "come with the batches of"
    yield (dataset.take(0),), {}, "yields no samples"
    yield (np.array([{}], object), y), {}, "Python objects .dict."


@pytest.mark.parametrize(
    ("arguments", "options", "message"), list(bad_inputs())
)
def test_bad_input_is_refused_with_the_remedy(arguments, options, message):
    model = small_model()
    with pytest.raises(ValueError, match=message) as caught:
        Objective(model, *arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
def test_targets_inside_of_x_are_pointed_at():
    with pytest.raises(ValueError, match="a tuple of 2 and so 2 inputs"):
        Objective(small_model(), data())


def test_bad_models_are_refused_with_the_remedy():
    x, y = data()
    uncompiled = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="Pass `loss=`"):
        Objective(uncompiled, x, y)
    frozen = small_model()
    frozen.trainable = False
    with pytest.raises(ValueError, match="no trainable weights"):
        Objective(frozen, x, y)
    broken = small_model()
    broken.layers[0].bias.assign(np.full(8, np.nan))
    with pytest.raises(ValueError, match="NaN or infinity in 8 of"):
        Objective(broken, x, y)
    renorm = keras.Sequential(
        [keras.Input((6,)), keras.layers.BatchNormalization(renorm=True)]
    )
    with pytest.raises(ValueError, match="batch renormalization"):
        Objective(renorm, x, x, loss="mse", batch_norm="batch")


def test_bad_vectors_are_refused():
    objective = Objective(small_model(), *data())
    with pytest.raises(ValueError, match="`v` must have shape"):
        objective.hessian_product(np.ones(3))
    with pytest.raises(ValueError, match="flat vector"):
        objective.value(np.ones(3))
    w = objective.weights
    w[0] = np.inf
    with pytest.raises(ValueError, match="NaN or infinity in 1 of"):
        objective.value(w)


def test_a_block_equals_its_columns(float64):
    objective = Objective(small_model(), *data())
    v = np.random.default_rng(0).standard_normal((objective.size, 19))
    block = objective.hessian_product(v)
    for column, product in zip(v.T, block.T, strict=True):
        # The same float64 operations, but for the order of a few sums.
        assert relative(objective.hessian_product(column), product) < 1e-12
