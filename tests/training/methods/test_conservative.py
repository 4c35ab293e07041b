"""Conservative training against the proximal point of a quadratic."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import Conservative

H = np.array([[2.0, 0.5], [0.5, 1.0]])
A = np.array([1.0, -2.0])


def quadratic(start):
    """A model whose loss is ½ (w − a)ᵀ H (w − a), and its data."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.layers[0].kernel.assign(np.reshape(start, (2, 1)))
    # The outputs for the rows of the unit matrix are the weights.

    def loss(y, y_pred):
        away = keras.ops.reshape(y_pred, (2,)) - keras.ops.cast(A, y_pred.dtype)
        value = 0.5 * keras.ops.sum(
            away * keras.ops.dot(keras.ops.cast(H, y_pred.dtype), away)
        )
        return keras.ops.stack([value, value])

    return model, np.eye(2), np.zeros((2, 1)), loss


def train(start, method, *, epochs=1, optimizer=None, **options):
    model, x, y, loss = quadratic(start)
    history = ks.train(
        model, x, y, batch_size=2, epochs=epochs, loss=loss, method=method,
        optimizer=optimizer or keras.optimizers.SGD(0.25), **options,
    )  # fmt: skip
    return model.layers[0].kernel.numpy().ravel(), history


@pytest.mark.parametrize("proximal", [0.0, 0.5, 1e3])
def test_many_steps_end_at_the_proximal_point(float64, proximal):
    # The curvatures of f + (λ/2)‖w − x‖² lie between λ and λ + 2.3.
    rate = 1.0 / (proximal + 2.5)
    start = np.array([3.0, 1.0])
    epochs = 2
    end, history = train(
        start,
        Conservative(num_steps=120, proximal=proximal),
        epochs=epochs,
        optimizer=keras.optimizers.SGD(rate),
    )
    w = start
    for _ in range(epochs):
        w = np.linalg.solve(H + proximal * np.eye(2), H @ A + proximal * w)
    # 120 steps reduce the error by a factor of at least 1 - 0.79/2.5 each,
    # to 1e-20; the rest is rounding. λ is a float32 and exact.
    np.testing.assert_allclose(end, w, rtol=0, atol=1e-12)
    assert history.num_updates == history.num_gradients == 240


def test_the_first_step_is_the_plain_one_and_the_second_is_drawn_back(float64):
    rate, proximal, start = 0.25, 0.5, np.array([3.0, 1.0])
    end, history = train(start, Conservative(num_steps=2, proximal=proximal))
    first = start - rate * H @ (start - A)
    gradient = H @ (first - A) + proximal * (first - start)
    np.testing.assert_allclose(end, first - rate * gradient, rtol=1e-14)
    # The loss is that of before the steps.
    assert history.loss[0] == pytest.approx((start - A) @ H @ (start - A) / 2)


def adam(w, num_steps, state, rate, count):
    """Adam of Kingma and Ba, as Keras computes it, without proximal term."""
    m, v = state
    for t in range(count + 1, count + num_steps + 1):
        g = H @ (w - A)
        m, v = m + (g - m) * (1 - 0.9), v + (g**2 - v) * (1 - 0.999)
        # Keras' bias correction takes powers of numbers rounded to float32.
        first, second = (float(np.float32(b)) ** t for b in (0.9, 0.999))
        alpha = rate * np.sqrt(1 - second) / (1 - first)
        w = w - alpha * m / (np.sqrt(v) + 1e-7)
    return w, (m, v)


@pytest.mark.parametrize("restart", [False, True])
def test_moments_go_on_or_start_anew(float64, restart):
    w, zeros, rate = np.array([3.0, 1.0]), (np.zeros(2), np.zeros(2)), 0.125
    end, _ = train(
        w,
        Conservative(num_steps=3, proximal=0.0, restart=restart),
        epochs=4,
        optimizer=keras.optimizers.Adam(rate),
    )
    state = zeros
    for epoch in range(4):
        if restart:
            w, _ = adam(w, 3, zeros, rate, 0)
        else:
            w, state = adam(w, 3, state, rate, 3 * epoch)
    # A dozen steps in float64.
    np.testing.assert_allclose(end, w, rtol=1e-12)


def test_one_step_is_plain():
    assert Conservative(num_steps=1).is_plain
    assert not Conservative(num_steps=1, restart=True).is_plain
    assert not Conservative(num_steps=2, proximal=0.0).is_plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be an integer of at least 1"),
        ({"proximal": -1e-3}, "`proximal` must be a finite number"),
        ({"restart": "yes"}, "`restart` must be True or False"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Conservative(**settings)


@pytest.mark.parametrize(
    ("optimizer", "named"),
    [
        (keras.optimizers.SGD(0.1, use_ema=True), "use_ema"),
        (
            keras.optimizers.SGD(
                keras.optimizers.schedules.CosineDecay(0.1, 100)
            ),
            "a learning-rate schedule",
        ),
    ],
)
def test_optimizers_that_need_their_past_are_not_restarted(optimizer, named):
    with pytest.raises(ValueError, match=f"Received: SGD with {named}"):
        train([0.0, 0.0], Conservative(restart=True), optimizer=optimizer)
