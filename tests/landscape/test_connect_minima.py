"""Curves between minima."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import Connection, connect_minima
from keras_sharpness.landscape.connect_minima import Adam, curve_coefficients
from tests.conftest import precision

ANGLE = np.radians(150)
ENDS = np.array([1.0, 0.0]), np.array([np.cos(ANGLE), np.sin(ANGLE)])


@pytest.fixture(scope="module")
def ring():
    """f(w) = (‖w‖² − 1)², whose minima are the unit circle."""
    with precision("float64"):
        model = keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(2, use_bias=False)]
        )
        return ks.Objective(
            model,
            np.ones((1, 1)),
            np.ones((1, 1)),
            loss=lambda y, y_pred: keras.ops.square(
                keras.ops.sum(keras.ops.square(y_pred), axis=-1) - 1.0
            ),
        )


@pytest.mark.parametrize("curve", ["bezier", "polygon"])
def test_curves_by_their_definition(curve):
    start, bend, end = np.random.default_rng(0).standard_normal((3, 4))
    corners = np.array([start, bend, end])

    def at(t):
        return np.array(curve_coefficients(curve, t)) @ corners

    np.testing.assert_array_equal(at(0.0), start)
    np.testing.assert_array_equal(at(1.0), end)
    if curve == "polygon":
        np.testing.assert_array_equal(at(0.5), bend)
    else:  # tangents point at the bend: φ'(0) = 2 (θ − start)
        np.testing.assert_allclose(
            (at(1e-7) - at(0.0)) / 1e-7, 2 * (bend - start), atol=1e-6
        )
    corners[1] = (start + end) / 2
    for t in np.linspace(0, 1, 9):
        np.testing.assert_allclose(at(t), (1 - t) * start + t * end, atol=1e-15)


@pytest.mark.parametrize("curve", ["bezier", "polygon"])
def test_a_bend_goes_round_a_barrier(ring, curve):
    way = connect_minima(ring, *ENDS, curve=curve, num_steps=150, seed=1)
    # The line passes the centre at cos 75°; its ends have no loss.
    assert way.line_barrier == pytest.approx(
        (np.cos(ANGLE / 2) ** 2 - 1) ** 2, rel=1e-12
    )
    # The best polygon stays above 1/10: it cuts corners inside and outside.
    assert way.barrier < 0.25 * way.line_barrier
    # What was trained is what was evaluated, and the ends are the ends.
    middle = np.array(curve_coefficients(curve, 0.5)) @ np.array(
        [ENDS[0], way.bend, ENDS[1]]
    )
    assert way.loss[30] == pytest.approx(
        (middle @ middle - 1) ** 2, rel=1e-10, abs=1e-14
    )
    assert max(way.loss[0], way.loss[-1]) < 1e-30
    assert np.mean(way.history[-50:]) < 0.5 * np.mean(way.history[:10])
    points = np.array(
        [
            np.array(curve_coefficients(curve, t))
            @ np.array([ENDS[0], way.bend, ENDS[1]])
            for t in np.linspace(0, 1, 20001)
        ]
    )
    # Chords and midpoints are both of second order in steps of 1/200.
    assert way.curve_length == pytest.approx(
        np.linalg.norm(np.diff(points, axis=0), axis=1).sum(), rel=1e-4
    )
    assert way.curve_length > way.distance


def test_stopped_and_gone_on_with(ring, tmp_path):
    calls = iter(range(100))
    steps = []
    first = connect_minima(
        ring,
        *ENDS,
        num_steps=50,
        num_points=5,
        stop=lambda: next(calls) >= 7,
        progress=lambda *step: steps.append(step),
    )
    assert len(first.history) == first.num_gradients == 7
    assert np.isfinite(first.loss).all()
    whole = connect_minima(ring, *ENDS, num_steps=50, num_points=5)
    np.testing.assert_array_equal(whole.history_ts[:7], first.history_ts)
    np.testing.assert_array_equal(whole.history[:7], first.history)
    second = connect_minima(
        ring, *ENDS, num_steps=0, num_points=5, bend=first.bend
    )
    np.testing.assert_array_equal(second.loss, first.loss)
    assert steps[-1] == (17, 60)
    first.save(tmp_path / "way.json")
    again = Connection.load(tmp_path / "way.json")
    np.testing.assert_array_equal(again.bend, first.bend)
    frame = again.to_frame()
    assert frame["path"].value_counts().to_dict() == {"line": 5, "bezier": 5}


def test_normalised_networks_need_fitting_statistics(float64):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((16, 3)), rng.integers(0, 2, 16)
    models = []
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        models.append(
            keras.Sequential(
                [
                    keras.Input((3,)),
                    keras.layers.Dense(4),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dense(2),
                ]
            )
        )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="recalibrate"):
        connect_minima(ks.Objective(models[0], *data, loss=loss), *models)
    objective = ks.Objective(
        models[0], *data, loss=loss, batch_norm="recalibrate"
    )
    trainer = ks.Objective(models[0], *data, loss=loss, batch_norm="batch")
    way = connect_minima(
        {"train": objective},
        *models,
        num_steps=4,
        num_points=3,
        minibatches=[trainer, trainer],
    )
    for place, model in ((0, models[0]), (-1, models[1])):
        own = ks.Objective(model, *data, loss=loss, batch_norm="recalibrate")
        there = own.evaluate()
        # The same float64 operations on the same numbers.
        assert way.loss["train"][place] == pytest.approx(
            there["loss"], rel=1e-12
        )
        assert way.accuracies["train"][place] == there["accuracy"]
    assert set(way.to_frame()["data"]) == {"train"}


def test_adam_against_keras():
    """Three steps of keras.optimizers.Adam in float32."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((3, 5)).astype("float32")
    variable = keras.Variable(np.zeros(5), dtype="float32")
    theirs = keras.optimizers.Adam(0.01, epsilon=1e-8)
    ours, place = Adam(5), np.zeros(5)
    for gradient in gradients:
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        place += ours.step(gradient, 0.01)
    # In float32 1 − 0.999^t, a thousandth, is off by 6e-8 ∕ 1e-3.
    np.testing.assert_allclose(place, variable.numpy(), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end": ENDS[0]}, "same point"),
        ({"end": np.zeros(3)}, "`end` must be a flat vector"),
        ({"curve": "cubic"}, "curve='cubic'"),
        ({"num_steps": -1}, "num_steps=-1"),
        ({"num_points": 2}, "num_points=2"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"minibatches": []}, "`minibatches`"),
        ({"bend": np.zeros(1)}, "`bend`"),
        ({"seed": None}, "seed=None"),
        ({"stop": 0}, "`stop`"),
    ],
)
def test_wrong_options(ring, options, message):
    arguments = {"start": ENDS[0], "end": ENDS[1], **options}
    with pytest.raises(ValueError, match=message):
        connect_minima(ring, **arguments)


def test_a_gradient_that_explodes_is_named(ring):
    with pytest.raises(FloatingPointError, match="not finite"):
        connect_minima(
            ring, *ENDS, num_points=3, num_steps=3, bend=np.full(2, 1e120)
        )
