"""Products of matrices and their derivatives, against TensorFlow's own."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.matrix_products import (
    large_matrix_products,
)

LENGTHS = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 2}
# One matrix for all samples, attention's in both orders, and every order of
# rows, columns and what is summed.
SHARED = [
    "ab,bc->ac",
    "ab,bc->ca",
    "abc,cd->abd",
    "abc,dc->abd",
    "abc,cde->abde",
    "abc,dec->abed",
    "abcd,cde->abe",
    "abcd,dce->abe",
    "abcd,aecd->aceb",
    "aecd,abcd->acbe",
    "acbe,aecd->abcd",
    "abc,acd->bda",
    "abc,abd->acd",
    "bca,dba->cda",
]
OTHERS = ["ab,ac->abc", "abc,bd->ad", "...ab,bc->...ac", "ab,bc", "ab,ab->a"]


def derivatives(product, x, y, u, v):
    """Value, gradient by x and y of a cubic, and its product with u and v."""

    @tf.function(autograph=False)
    def compiled(x, y, u, v):
        with tf.GradientTape() as outer:
            outer.watch([x, y])
            with tf.GradientTape() as inner:
                inner.watch([x, y])
                value = product(x, y)
                target = tf.reduce_sum(value**3)
            slope = inner.gradient(target, [x, y])
        change = outer.gradient(slope, [x, y], output_gradients=[u, v])
        return [value, *slope, *change]

    tensors = [tf.constant(array) for array in (x, y, u, v)]
    kinds = {
        operation.type
        for operation in compiled.get_concrete_function(
            *tensors
        ).graph.get_operations()
    }
    return [t.numpy() for t in compiled(*tensors)], kinds


def check(product, x_shape, y_shape):
    """Compares with TensorFlow's own; the kinds of operations of both."""
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((2, *x_shape))
    y, v = rng.standard_normal((2, *y_shape))
    expected, before = derivatives(product, x, y, u, v)
    with large_matrix_products():
        found, after = derivatives(product, x, y, u, v)
    for a, b in zip(found, expected, strict=True):
        # Sums of at most 240 terms in three sums of sums, in another order,
        # of terms that may cancel to a hundredth: 3 · 240 · 1.1e-16 · 100.
        np.testing.assert_allclose(a, b, rtol=0, atol=8e-12 * np.abs(b).max())
    return before, after


@pytest.mark.parametrize("equation", SHARED)
def test_einsum_in_a_shared_order(equation):
    of_x, of_y = equation.split("->")[0].split(",")
    before, after = check(
        lambda x, y: tf.einsum(equation, x, y, optimize="optimal"),
        [LENGTHS[label] for label in of_x],
        [LENGTHS[label] for label in of_y],
    )
    assert "Einsum" in before
    assert "Einsum" not in after


@pytest.mark.parametrize("equation", OTHERS)
def test_other_equations_stay_with_tensorflow(equation):
    of_x, of_y = equation.replace("...", "e").split("->")[0].split(",")
    _, after = check(
        lambda x, y: tf.einsum(equation, x, y),
        [LENGTHS[label] for label in of_x],
        [LENGTHS[label] for label in of_y],
    )
    assert "Einsum" in after


def test_three_factors_stay_with_tensorflow():
    x, y, z = np.ones((2, 3)), np.ones((2, 4)), np.ones((3, 4))
    with large_matrix_products():
        assert np.all(tf.einsum("ab,ac,bc->a", x, y, z) == 12.0)


@pytest.mark.parametrize("steps", [(3,), (3, 2)])
def test_one_matrix_for_all_samples(steps):
    before, after = check(lambda x, y: tf.matmul(x, y), (2, *steps, 4), (4, 5))
    assert "BatchMatMulV2" in before
    assert "BatchMatMulV2" not in after


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "options"),
    [
        ((2, 3, 4), (2, 4, 5), {}),
        ((2, 3, 4), (5, 4), {"transpose_b": True}),
        ((2, 4, 3), (4, 5), {"transpose_a": True}),
        ((3, 4), (2, 4, 5), {}),
    ],
)
def test_other_products_stay_with_tensorflow(x_shape, y_shape, options):
    before, after = check(
        lambda x, y: tf.matmul(x, y, **options), x_shape, y_shape
    )
    assert before == after


@pytest.mark.parametrize("batch", [None, 2])
def test_lengths_that_the_graph_leaves_open(batch):
    """Of one axis it makes no difference; with more TensorFlow's own serve."""
    x = np.arange(24.0).reshape(2, 3, 4)
    y = np.arange(8.0).reshape(4, 2)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((batch, None, 4), tf.float64),
            tf.TensorSpec((4, None), tf.float64),
        ],
    )
    def products(x, y):
        return tf.matmul(x, y), tf.einsum("abc,cd->adb", x, y)

    with large_matrix_products():
        product, other = products(x, y)
    np.testing.assert_array_equal(product, x @ y)
    np.testing.assert_array_equal(other, np.swapaxes(x @ y, 1, 2))


def test_a_variable_is_a_matrix_too():
    kernel = keras.Variable(np.eye(4, 2, dtype="float32"))
    x = tf.ones((2, 3, 4))
    with large_matrix_products():
        assert np.all(tf.matmul(x, kernel) == 1.0)


def test_what_is_no_tensor_gets_its_dtype_from_tensorflow():
    x = tf.ones((2, 3, 4), tf.float64)
    with large_matrix_products():
        assert tf.matmul(x, np.eye(4)).dtype == tf.float64
        assert np.all(tf.einsum("abc,cd->abd", x, np.ones((4, 1))) == 4.0)


def test_an_error_is_tensorflows():
    x = tf.ones((2, 3, 4))
    with large_matrix_products():
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.matmul(x, tf.ones((5, 2)))
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.einsum("abc,cd->abd", x, tf.ones((5, 2)))


def test_other_threads_keep_tensorflows_own():
    x, y = tf.ones((2, 3, 4)), tf.ones((4, 5))
    kinds = []

    @tf.function(autograph=False)
    def products():
        return tf.matmul(x, y), tf.einsum("abc,cd->abd", x, y)

    def trace():
        graph = products.get_concrete_function().graph
        kinds.append({op.type for op in graph.get_operations()})

    with large_matrix_products():
        thread = threading.Thread(target=trace)
        thread.start()
        thread.join()
    assert {"BatchMatMulV2", "Einsum"} <= kinds[0]


def test_tensorflows_functions_come_back():
    matmul, einsum = tf.matmul, tf.einsum
    with pytest.raises(ZeroDivisionError), large_matrix_products():
        raise ZeroDivisionError
    assert tf.matmul is matmul
    assert tf.einsum is einsum
