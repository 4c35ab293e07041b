"""Large batches in parts, against whole ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.backend.tensorflow import (
    batch_parts,
    curvature_products,
    kept_passes,
)
from keras_sharpness.metrics.backend.tensorflow.batch_parts import BatchParts
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.operators import (
    EmpiricalFisherOperator,
    HessianOperator,
)
from tests.zoo import functions, images, sequences, structures  # noqa: F401
from tests.zoo.case import BUILDERS

SIZE = 1024
# Loops, masks, dicts, gathers, strides, moving statistics, weights, graphs.
NAMES = (
    "masked_lstm",
    "convolutions_1d",
    "batch_normalisation",
    "transformer_block",
    "inputs_in_a_dict",
    "sample_weights",
    "an_output_without_a_loss",
    "nested_models",
)


def graph_of(num_bytes):
    """A function that puts out so many bytes, which is never run."""
    # The product and the identity that returns it, both float32.
    width = num_bytes // (2 * 4 * SIZE)
    function = tf.function(lambda x: 2.0 * x)
    return function.get_concrete_function(tf.TensorSpec([SIZE, width]))


def batch_of(values):
    return Batch(tf.constant(values, tf.float32), None, None, len(values))


def sizes(parts, batch):
    return [part.size for part in parts.of(batch)]


@pytest.fixture
def batch():
    return batch_of(np.random.default_rng(0).standard_normal((SIZE, 3)))


@pytest.mark.parametrize(
    # 128 MiB for each core and part at least.
    ("mebibytes", "num_cores", "expected"),
    [
        (256, 2, 1),
        (504, 2, 1),
        (512, 2, 2),
        (1016, 2, 2),
        (1024, 2, 4),
        (1024, 4, 2),
        (4096, 2, 16),
    ],
)
def test_each_part_has_enough_to_do(batch, mebibytes, num_cores, expected):
    parts = BatchParts(10, "float32", num_cores=num_cores)
    parts.decide(batch, graph_of(mebibytes * 2**20), jit_compile=True)
    assert sizes(parts, batch) == [SIZE // expected] * expected


def test_parts_are_the_batch(batch):
    y, weight = tf.range(SIZE), tf.ones(SIZE)
    batch = Batch({"a": batch.x}, y, weight, SIZE)
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(batch, graph_of(2**30), jit_compile=True)
    found = list(parts.of(batch))
    assert len(found) == 4
    joined = [
        np.concatenate(arrays)
        for arrays in (
            [part.x["a"] for part in found],
            [part.y for part in found],
            [part.sample_weight for part in found],
        )
    ]
    for array, tensor in zip(joined, (batch.x["a"], y, weight), strict=True):
        assert np.array_equal(array, tensor)


def test_large_networks_keep_their_batches(batch):
    # 32 times the 16 MiB of the weights is the 512 MiB of the batch.
    parts = BatchParts(2**22 + 1, "float32", num_cores=2)
    parts.decide(batch, graph_of(2**29), jit_compile=True)
    assert sizes(parts, batch) == [SIZE]


@pytest.mark.parametrize(("jit_compile", "expected"), [(True, 4), (False, 2)])
def test_many_operations_keep_more_together(batch, jit_compile, expected):
    width = 2**30 // (4 * 512 * SIZE)

    @tf.function
    def repeated(x):
        for _ in range(511):
            x = 2.0 * x
        return x

    # With the identity 512 operations, of 2 MiB each: 1 MiB is the least.
    function = repeated.get_concrete_function(tf.TensorSpec([SIZE, width]))
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(batch, function, jit_compile=jit_compile)
    assert len(sizes(parts, batch)) == expected


def test_odd_batches_stay_whole(batch):
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(batch, graph_of(2**30), jit_compile=True)
    assert sizes(parts, batch_of(np.ones((SIZE - 1, 3)))) == [SIZE - 1]
    # Twice an odd number, and it would be four parts.
    assert sizes(parts, batch_of(np.ones((SIZE - 2, 3)))) == [511, 511]


def test_what_cannot_be_cut_stays_whole():
    rows = tf.RaggedTensor.from_row_lengths(tf.ones(2 * SIZE), [2] * SIZE)
    table = tf.ones((3, 2))
    for x in (rows, [tf.ones((SIZE, 3)), table]):
        parts = BatchParts(10, "float32", num_cores=2)
        batch = Batch(x, None, None, SIZE)
        parts.decide(batch, graph_of(2**30), jit_compile=True)
        assert sizes(parts, batch) == [SIZE]


@pytest.fixture
def cut_always(monkeypatch):
    """Every batch of two samples and more is cut, of any network."""
    monkeypatch.setattr(batch_parts, "_LEAST_PER_CORE", 1)
    monkeypatch.setattr(batch_parts, "_LEAST_PER_WEIGHT", 0)
    monkeypatch.setattr(batch_parts, "_LEAST_PER_OPERATION", 0)
    monkeypatch.setattr(kept_passes, "_WORTHWHILE", 0)
    monkeypatch.setattr(curvature_products, "_COSTLY", 0.0)
    monkeypatch.setattr(curvature_products, "_LARGE_BATCH", 0)


@pytest.mark.parametrize(
    ("name", "keep"),
    [*((name, True) for name in NAMES), ("inputs_in_a_dict", False)],
)
def test_products_are_the_same(name, keep, float64, request):
    keras.utils.set_random_seed(0)
    case = BUILDERS[name]()
    options = {**case.options, "batch_size": 6, "keep_activations": keep}

    def products():
        objective = Objective(case.model, *case.data, **options)
        assert objective._batch_loss.keeps_samples_apart
        rng = np.random.default_rng(0)
        block = rng.standard_normal((objective.size, 2))
        return [
            kind(objective) @ block
            for kind in (HessianOperator, EmpiricalFisherOperator)
        ]

    whole = products()
    request.getfixturevalue("cut_always")
    for product, expected in zip(products(), whole, strict=True):
        # Sums in another order: rounding of float64.
        error = np.linalg.norm(product - expected)
        assert error < 1e-11 * np.linalg.norm(expected)


def own(model):
    """A loss that compares each output with the mean of its batch."""

    def centred(y, y_pred):
        return (y_pred - y - keras.ops.mean(y_pred)) ** 2

    return {"loss": centred}


def own_of_model_and_batch(model):
    def centred(model, batch):
        outputs = model(batch[0])
        return keras.ops.mean((outputs - keras.ops.mean(outputs)) ** 2)

    return {"loss_fn": centred}


def pairs(model):
    """Whose rows belong together: one is better than the next."""

    def ranking(y, y_pred):
        return keras.ops.softplus(1.0 + y_pred[1::2] - y_pred[0::2])

    return {"loss": ranking}


def batch_statistics(model):
    return {"batch_norm": "batch"}


def own_compute_loss(model):
    def compute_loss(x, y, y_pred, sample_weight, training=True):
        return keras.ops.mean((y_pred - keras.ops.mean(y_pred)) ** 2)

    model.compute_loss = compute_loss
    return {}


def own_activation(model):
    model.layers[0].activation = lambda x: x - keras.ops.mean(x, axis=0)
    return {}


def activity(model):
    """A sum over the batch, where the loss is a mean."""
    model.layers[0].activity_regularizer = keras.regularizers.L2(0.1)
    return {}


def all_labels(model):
    """Of which Keras finds out whether all are 0 and 1."""
    return {"loss": "squared_hinge", "y": [[0], [1], [0], [1], [0], [0], [-1]]}


def ratio(model):
    return {"loss": keras.losses.Dice()}


def along_the_batch(model):
    return {"middle": [keras.layers.Softmax(axis=0)]}


def in_a_lambda(model):
    centred = keras.layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0))
    return {"middle": [centred]}


def in_training(model):
    return {"middle": [keras.layers.BatchNormalization()], "training": True}


def in_an_operation(model):
    def centred(x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)

    return {"middle": [centred]}


class Added(keras.layers.Layer):
    """Adds a term of the whole batch to the loss."""

    def call(self, x):
        self.add_loss(keras.ops.mean(x) ** 2)
        return x


def own_layer(model):
    return {"middle": [Added()]}


@pytest.mark.parametrize(
    "kind",
    [
        own,
        own_of_model_and_batch,
        pairs,
        batch_statistics,
        own_compute_loss,
        own_activation,
        activity,
        all_labels,
        ratio,
        along_the_batch,
        in_a_lambda,
        in_an_operation,
        in_training,
        own_layer,
    ],
)
def test_products_where_samples_see_each_other(kind, cut_always, float64):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.uniform(size=(8, 1))
    options = kind(model)
    if "y" in options:
        y = np.array([*options.pop("y"), [1]], float)
    if "middle" in options:
        inputs = keras.Input((3,))
        hidden = model.layers[0](inputs)
        call = {"training": True} if options.pop("training", None) else {}
        for layer in options.pop("middle"):
            hidden = layer(hidden, **call)
        model = keras.Model(inputs, model.layers[-1](hidden))
        model.compile("sgd", "mse")
    agrees_with_differences(Objective(model, x, y, **options))


def agrees_with_differences(objective):
    v = np.random.default_rng(1).standard_normal(objective.size)
    step = 1e-5 / np.linalg.norm(v)
    w = objective.weights
    # Gradients are those of whole batches.
    difference = objective.gradient(w + step * v)
    difference -= objective.gradient(w - step * v)
    expected = difference / (2 * step)
    error = np.linalg.norm(objective.hessian_product(v) - expected)
    # Truncation, (1e-5)² times third derivatives of order 1, and rounding,
    # 1e-16 / 1e-5, both relative.
    assert error < 1e-8 * np.linalg.norm(expected)


def tokens_model(**options):
    embedding = keras.layers.Embedding(9, 4, **options)
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            embedding,
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize("ignored", [None, 0])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_products_where_valid_entries_are_counted(
    ignored, is_compiled, cut_always, float64
):
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=ignored
    )
    model = tokens_model(mask_zero=ignored is None)
    model.compile("sgd", loss)
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 9, (16, 5)), rng.integers(1, 3, (16, 5))
    # The first batch has no padding, and the second in some samples only.
    x[8:11, 2:] = 0
    y[8:11, 2:] = 0
    given = {} if is_compiled else {"loss": loss}
    agrees_with_differences(Objective(model, x, y, batch_size=8, **given))


def test_of_several_losses_one_that_compares_samples(cut_always, float64):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh")(inputs)
    outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in "ab"}
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 1))
    losses = {"a": "mse", "b": own(model)["loss"]}
    agrees_with_differences(Objective(model, x, {"a": y, "b": y}, loss=losses))
