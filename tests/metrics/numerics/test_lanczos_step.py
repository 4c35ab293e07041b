"""Steps of Lanczos on tensors, against the matrix."""

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.numerics.lanczos_step import (
    lanczos_step,
    unit_vector,
)


def in_two(vector):
    return [tf.constant(vector[:2]), tf.constant(vector[2:].reshape(2, -1))]


def flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors])


def test_steps_make_the_matrix_tridiagonal():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((8, 8))
    matrix += matrix.T
    *vector, length = unit_vector(in_two(start := rng.standard_normal(8)))
    # Rounding of eight float64 terms, magnified by eight steps.
    near = {"rtol": 0, "atol": 1e-10}
    np.testing.assert_allclose(length, np.linalg.norm(start), **near)
    last, beta = in_two(np.zeros(8)), tf.constant(0.0, tf.float64)
    basis, diagonal, beside = [], [], []
    for _ in range(8):
        basis.append(flat(vector))
        step = lanczos_step(in_two(matrix @ basis[-1]), vector, last, beta)
        last = vector
        *vector, alpha, beta = step
        diagonal.append(float(alpha))
        beside.append(float(beta))
    expected = np.diag(diagonal)
    expected += np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    basis = np.array(basis)
    np.testing.assert_allclose(basis @ basis.T, np.eye(8), **near)
    np.testing.assert_allclose(basis @ matrix @ basis.T, expected, **near)


def test_an_invariant_subspace_ends_in_zeros():
    vector = in_two(np.eye(4)[0])
    zeros = in_two(np.zeros(4))
    *following, alpha, beta = lanczos_step(
        in_two(3.0 * np.eye(4)[0]), vector, zeros, tf.constant(0.0, tf.float64)
    )
    np.testing.assert_array_equal(flat(following), np.zeros(4))
    assert (float(alpha), float(beta)) == (3.0, 0.0)


def test_zero_has_no_direction():
    *parts, length = unit_vector(in_two(np.zeros(4)))
    np.testing.assert_array_equal(flat(parts), np.zeros(4))
    assert float(length) == 0.0
