"""SAM and ASAM against closed forms and loops written in NumPy."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import SharpnessAware
from keras_sharpness.training.state import epoch_order

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def one_weight(curvature, start):
    """A model whose loss is ½ h w², and its data."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.layers[0].kernel.assign([[start]])

    def loss(y, y_pred):
        return 0.5 * curvature * keras.ops.sum(y_pred**2, axis=-1)

    return model, loss, np.ones((1, 1))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_on_a_parabola_it_ends_in_a_cycle_of_two_points(float64, jit_compile):
    rate, curvature, rho = 0.1, 4.0, 0.25
    model, loss, x = one_weight(curvature, 1.0)
    history = ks.train(
        model, x, x, batch_size=1, epochs=101, loss=loss,
        optimizer=keras.optimizers.SGD(rate), jit_compile=jit_compile,
        method=SharpnessAware(rho=rho),
    )  # fmt: skip
    # w ← w - ηh (w + ρ sign w) has the fixed cycle ±ηhρ / (2 - ηh), which is
    # approached by a factor of |1 - ηh| = 0.6 a step, 1e-22 in 100 steps.
    # Its rounding is that of float64.
    product = rate * curvature
    expected = product * rho / (2.0 - product)
    end = float(model.layers[0].kernel.numpy().item())
    assert abs(end) == pytest.approx(expected, rel=1e-12)
    # At both ends of the cycle the perturbed weight is farther out by ρ.
    assert history.loss[-1] == pytest.approx(curvature * expected**2 / 2)
    assert history.logged["perturbed_loss"][-1] == pytest.approx(
        curvature * (expected + rho) ** 2 / 2
    )


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("parts", [None, 4])
def test_linear_regression_equals_numpy(float64, adaptive, parts):
    # The gradient of (1/|B|) Σ (xᵢ·w + b - yᵢ)², at the weights and above
    # them, written out by hand; for m-SAM part by part.
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(23, 3)), rng.normal(size=(23, 1))
    rate, rho, eta = 0.05, 0.3, 0.125
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    w, b = (np.array(v) for v in model.weights)

    def gradient(rows, w, b):
        slope = 2 * (x[rows] @ w + b - y[rows]) / len(rows)
        return x[rows].T @ slope, slope.sum(axis=0)

    def above(rows, w, b):
        gradients = gradient(rows, w, b)
        scales = [np.abs(v) + eta if adaptive else 1.0 for v in (w, b)]
        norm = np.sqrt(
            sum(
                np.sum((t * g) ** 2)
                for t, g in zip(scales, gradients, strict=True)
            )
        )
        moved = [
            v + rho * t**2 * g / norm
            for v, t, g in zip((w, b), scales, gradients, strict=True)
        ]
        return gradient(rows, *moved)

    for epoch in range(3):
        order = epoch_order(23, seed=7, epoch=epoch)
        for first in range(0, 23, 10):  # batches of 10, 10 and 3
            batch = order[first : first + 10]
            steps = [np.zeros_like(w), np.zeros_like(b)]
            size = parts or len(batch)
            for start in range(0, len(batch), size):
                rows = batch[start : start + size]
                for step, g in zip(steps, above(rows, w, b), strict=True):
                    step += len(rows) / len(batch) * g
            w, b = w - rate * steps[0], b - rate * steps[1]

    ks.train(
        model, x, y, batch_size=10, epochs=3, seed=7, loss="mse",
        optimizer=keras.optimizers.SGD(rate), jit_compile=False,
        method=SharpnessAware(
            rho=rho, adaptive=adaptive, eta=eta, micro_batch_size=parts
        ),
    )  # fmt: skip
    # Nine updates of numbers near 1 in float64.
    np.testing.assert_allclose(model.weights[0], w, rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.weights[1], b, rtol=0, atol=1e-13)


def test_a_small_rho_is_nearly_the_plain_run(float64, make_classifier, blobs):
    ends = []
    for rho in (0.0, 1e-7):
        model = make_classifier(keras.optimizers.SGD(0.1), dropout=0.5)
        ks.train(
            model, *blobs, batch_size=20, epochs=3,
            method=SharpnessAware(rho=rho),
        )  # fmt: skip
        ends.append(np.concatenate([v.ravel() for v in model.get_weights()]))
    # To first order the two gradients differ by ρ times a curvature, some
    # tens here; another dropout mask would change them by as much as they are.
    difference = np.abs(ends[1] - ends[0]).max()
    assert 0.0 < difference < 1e-4


def test_a_gradient_of_zero_perturbs_nothing(float64):
    model, loss, x = one_weight(4.0, 0.0)
    history = ks.train(
        model, x, x, batch_size=1, epochs=2, loss=loss, optimizer="sgd",
        method=SharpnessAware(rho=0.5),
    )  # fmt: skip
    assert model.layers[0].kernel.numpy().item() == 0.0
    np.testing.assert_array_equal(history.logged["perturbed_loss"], 0.0)


def two_layers(weights):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(3),
        ]
    )
    model.set_weights(weights)
    return model


@pytest.mark.parametrize("adaptive", [True, False])
def test_adaptive_steps_commute_with_a_rescaling_of_layers(
    float64, blobs, adaptive
):
    """T_α: (αW₁, αb₁, W₂/α, b₂) is the same network (Dinh et al., 2017)."""
    rng = np.random.default_rng(5)
    shapes = ((4, 8), (8,), (8, 3), (3,))
    start = [rng.normal(size=shape) for shape in shapes]
    factors = (8.0, 8.0, 1 / 8, 1.0)
    method = SharpnessAware(rho=0.5, adaptive=adaptive, eta=0.0)
    losses = []
    for scales in ((1.0,) * 4, factors):
        model = two_layers([w * s for w, s in zip(start, scales, strict=True)])
        # The rate is 0, as the plain step does not commute with T_α: what
        # does is e, so the loss at w + e is the same.
        history = ks.train(
            model, *blobs, batch_size=10, epochs=1, loss=LOGITS_LOSS,
            optimizer=keras.optimizers.SGD(0.0), method=method,
        )  # fmt: skip
        losses.append(history.logged["perturbed_loss"][0])
    # α is a power of 2, so that rescaling rounds nothing; sums are in another
    # order of magnitude from layer to layer, by a few roundings of float64.
    if adaptive:
        assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    else:
        assert losses[1] > 1.01 * losses[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rho": -1.0}, "`rho` must be a finite number of at least 0"),
        ({"rho": np.nan}, "`rho` must be"),
        ({"adaptive": 1}, "`adaptive` must be True or False"),
        ({"eta": -0.1}, "`eta` must be"),
        ({"micro_batch_size": 0}, "`micro_batch_size` must be an integer"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SharpnessAware(**settings)
