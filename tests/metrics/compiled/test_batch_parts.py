"""Large batches in parts, against whole ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.compiled import batch_parts, kept_passes
from keras_sharpness.metrics.compiled.batch_parts import BatchParts
from keras_sharpness.metrics.operators import (
    EmpiricalFisherOperator,
    HessianOperator,
)
from tests.zoo import functions, images, sequences, structures  # noqa: F401
from tests.zoo.case import BUILDERS

SIZE = 1024
# Loops, masks, dicts, gathers, pooling, moving statistics, several losses.
NAMES = (
    "masked_lstm",
    "pooling_2d",
    "batch_normalisation",
    "transformer_block",
    "inputs_in_a_dict",
)


def graph_of(num_bytes):
    """A function that puts out so many bytes, which is never run."""
    # The product and the identity that returns it, both float32.
    width = num_bytes // (2 * 4 * SIZE)
    function = tf.function(lambda x: 2.0 * x)
    return function.get_concrete_function(tf.TensorSpec([SIZE, width]))


def batch_of(values):
    return Batch(tf.constant(values, tf.float32), None, None, len(values))


def sums(batch):
    return [tf.reduce_sum(batch.x, axis=0)]


def spreads(batch):
    """Of samples that see each other."""
    return [tf.reduce_sum((batch.x - tf.reduce_mean(batch.x)) ** 2, axis=0)]


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
    parts.decide(batch, graph_of(mebibytes * 2**20), sums, jit_compile=True)
    assert sizes(parts, batch) == [SIZE // expected] * expected


def test_parts_are_the_batch(batch):
    y, weight = tf.range(SIZE), tf.ones(SIZE)
    batch = Batch({"a": batch.x}, y, weight, SIZE)
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(
        batch,
        graph_of(2**30),
        lambda part: [tf.reduce_sum(part.x["a"], axis=0)],
        jit_compile=True,
    )
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
    parts.decide(batch, graph_of(2**29), sums, jit_compile=True)
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
    parts.decide(batch, function, sums, jit_compile=jit_compile)
    assert len(sizes(parts, batch)) == expected


def test_samples_that_see_each_other_stay_together(batch):
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(batch, graph_of(2**30), spreads, jit_compile=True)
    assert sizes(parts, batch) == [SIZE]


def test_at_a_gradient_of_zero(batch):
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(
        batch, graph_of(2**30), lambda part: [tf.zeros(3)], jit_compile=True
    )
    assert len(sizes(parts, batch)) == 4


def test_odd_batches_stay_whole(batch):
    parts = BatchParts(10, "float32", num_cores=2)
    parts.decide(batch, graph_of(2**30), sums, jit_compile=True)
    assert sizes(parts, batch_of(np.ones((SIZE - 1, 3)))) == [SIZE - 1]
    # Twice an odd number, and it would be four parts.
    assert sizes(parts, batch_of(np.ones((SIZE - 2, 3)))) == [511, 511]


def test_what_cannot_be_cut_stays_whole():
    rows = tf.RaggedTensor.from_row_lengths(tf.ones(2 * SIZE), [2] * SIZE)
    table = tf.ones((3, 2))
    for x in (rows, [tf.ones((SIZE, 3)), table]):
        parts = BatchParts(10, "float32", num_cores=2)
        batch = Batch(x, None, None, SIZE)
        parts.decide(batch, graph_of(2**30), sums, jit_compile=True)
        assert sizes(parts, batch) == [SIZE]


@pytest.fixture
def cut_always(monkeypatch):
    """Every batch of two samples and more is cut, of any network."""
    monkeypatch.setattr(batch_parts, "_LEAST_PER_CORE", 1)
    monkeypatch.setattr(batch_parts, "_LEAST_PER_WEIGHT", 0)
    monkeypatch.setattr(batch_parts, "_LEAST_PER_OPERATION", 0)
    monkeypatch.setattr(kept_passes, "_WORTHWHILE", 0)


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


def centred(model, batch):
    """A loss that compares each output with the mean of its batch."""
    outputs = model(batch[0])
    return keras.ops.mean((outputs - keras.ops.mean(outputs)) ** 2)


@pytest.mark.parametrize(
    "options", [{"loss_fn": centred}, {"loss": "mse", "batch_norm": "batch"}]
)
def test_products_where_samples_see_each_other(options, cut_always, float64):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((8, 3)), rng.standard_normal((8, 1)))
    objective = Objective(model, *data, **options)
    w, v = objective.weights, rng.standard_normal(objective.size)
    step = 1e-5 / np.linalg.norm(v)
    difference = objective.gradient(w + step * v)
    difference -= objective.gradient(w - step * v)
    expected = difference / (2 * step)
    error = np.linalg.norm(objective.hessian_product(v) - expected)
    # Truncation, (1e-5)² times third derivatives of order 1, and rounding,
    # 1e-16 / 1e-5, both relative.
    assert error < 1e-8 * np.linalg.norm(expected)
