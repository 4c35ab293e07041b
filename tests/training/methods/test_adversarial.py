"""Adversarial training against the closed form of a linear model."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import Adversarial
from keras_sharpness.training.state import epoch_order, reseed

RATE = 0.25


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(x, y, w, b):
    return -np.log(softmax(x @ w + b)[np.arange(len(y)), y]).mean()


def gradient(x, y, w, b):
    slope = (softmax(x @ w + b) - np.eye(3)[y]) / len(x)
    return x.T @ slope, slope.sum(axis=0)


def fast_gradient_sign(x, y, w, b, epsilon, bounds=None):
    """x + ε sign(W (p − y)), the copy of a linear softmax model."""
    moved = x + epsilon * np.sign((softmax(x @ w + b) - np.eye(3)[y]) @ w.T)
    return moved if bounds is None else np.clip(moved, *bounds)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({}, None),
        ({}, 7),
        ({"weight": 0.75, "share": 0.3}, None),
        ({"weight": 1.0, "share": 0.2, "clip": "batch"}, None),
        ({"weight": 1.0, "clip": (-0.5, 2.0)}, 7),
    ],
)
def test_a_linear_model_in_closed_form(
    float64, blobs, settings, parts, jit_compile
):
    x, y = blobs[0].astype("float64"), blobs[1]
    epsilon, weight = 0.3, settings.get("weight", 0.5)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    w, b = (np.array(v) for v in model.weights)
    sums = np.zeros(2)
    order = epoch_order(50, seed=0, epoch=0)
    for first in range(0, 50, 20):
        batch = order[first : first + 20]
        steps = [np.zeros_like(w), np.zeros_like(b)]
        for start in range(0, len(batch), parts or 20):
            rows = batch[start : start + (parts or 20)]
            clip = settings.get("clip")
            if clip == "batch":
                clip = x[rows].min(), x[rows].max()
            count = int(np.ceil(settings.get("share", 1.0) * len(rows)))
            mixed = x[rows].copy()
            mixed[:count] = fast_gradient_sign(
                x[rows[:count]], y[rows[:count]], w, b, epsilon, clip
            )
            clean = x[rows] if weight < 1.0 else mixed
            sums += (
                len(rows)
                / 50
                * np.array(
                    [cross_entropy(v, y[rows], w, b) for v in (clean, mixed)]
                )
            )
            for step, c, g in zip(
                steps,
                gradient(clean, y[rows], w, b),
                gradient(mixed, y[rows], w, b),
                strict=True,
            ):
                step += len(rows) / len(batch) * ((1 - weight) * c + weight * g)
        w, b = w - RATE * steps[0], b - RATE * steps[1]
    history = ks.train(
        model, x, y, batch_size=20, epochs=1, micro_batch_size=parts,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.SGD(RATE), jit_compile=jit_compile,
        method=Adversarial(epsilon=epsilon, **settings),
    )  # fmt: skip
    # Three updates of numbers near 1, float64.
    np.testing.assert_allclose(model.weights[0], w, rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.weights[1], b, rtol=0, atol=1e-13)
    assert history.loss[0] == pytest.approx(sums[0], rel=1e-12)
    assert history.logged["adversarial_loss"][0] == pytest.approx(
        sums[1], rel=1e-12
    )
    assert history.num_updates == 3
    assert history.num_gradients == (6 if weight == 1.0 else 9)


def test_copies_are_made_without_dropout(float64, blobs):
    # With the seed's mask a copy would be made for another network. All but
    # one output in ten dropped: the two hardly ever have the same signs.
    inputs = keras.Input((4,))
    kept = keras.layers.Dropout(0.9)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(kept))
    x, y = blobs[0].astype("float64"), blobs[1]
    w, b = (np.array(v) for v in model.weights)
    epsilon = 0.5
    history = ks.train(
        model, x, y, batch_size=50, epochs=1,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.SGD(0.0), jit_compile=False,
        method=Adversarial(epsilon=epsilon, weight=1.0),
    )  # fmt: skip
    copies = fast_gradient_sign(x, y, w, b, epsilon)
    # The mask of the one training step, drawn again.
    reseed(model.variables, 0)
    order = epoch_order(50, seed=0, epoch=0)
    outputs = model(copies[order], training=True)
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        y[order], outputs
    )
    assert history.loss[0] == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilon": -0.1}, "`epsilon` must be a finite number"),
        ({"epsilon": 0.1, "weight": 1.5}, "`weight` must be"),
        ({"epsilon": 0.1, "share": 0.0}, "`share` must be"),
        ({"epsilon": 0.1, "clip": (1.0, 0.0)}, "`clip` must be a pair"),
        ({"epsilon": 0.1, "clip": "all"}, "`clip` must be None, 'batch'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Adversarial(**settings)


def test_whole_numbers_are_refused(make_convnet, images):
    model = make_convnet()
    with pytest.raises(ValueError, match=r"`x` of dtype uint8.*/ 255"):
        ks.train(
            model, *images, batch_size=20, epochs=1,
            method=Adversarial(epsilon=0.1),
        )  # fmt: skip
