"""Loss, gradient and Hessian product by two tapes, as one writes them."""

import numpy as np
import tensorflow as tf


def by_hand(model, loss, vector):
    """Value, gradient and product of `loss()` at the model's weights."""
    variables = [variable.value for variable in model.trainable_variables]
    ends = np.cumsum([int(np.prod(v.shape)) for v in variables])[:-1]
    parts = [
        tf.cast(tf.reshape(part, v.shape), v.dtype)
        for part, v in zip(np.split(vector, ends), variables, strict=True)
    ]
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            value = loss()
        gradient = [
            tf.convert_to_tensor(part)
            for part in inner.gradient(
                value, variables, unconnected_gradients=zero
            )
        ]
    product = outer.gradient(
        gradient, variables, output_gradients=parts, unconnected_gradients=zero
    )
    return float(value), flat(gradient), flat(product)


def flat(tensors):
    return np.concatenate(
        [np.ravel(tf.convert_to_tensor(tensor)) for tensor in tensors]
    ).astype(float)


def check_against_tapes(objective, loss):
    """Value, gradient, product and block of an objective equal the tapes'."""
    vector = np.random.default_rng(0).normal(size=objective.size)
    value, gradient, product = by_hand(objective.model, loss, vector)
    # float32: 1e-7 per operation, some tens in a row, and a product is a
    # difference of larger terms.
    assert abs(objective.value() - value) < 1e-5 * max(1.0, abs(value))
    for found, right in (
        (objective.gradient(), gradient),
        (objective.hessian_product(vector), product),
        (
            objective.hessian_product(np.stack([vector, vector], 1))[:, 1],
            product,
        ),
    ):
        assert np.linalg.norm(found - right) < 1e-4 * np.linalg.norm(right)
