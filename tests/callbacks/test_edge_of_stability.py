"""The edge of stability: found, and measured rightly."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness import Objective, data, hessian_eigenvalues
from keras_sharpness.callbacks import EdgeOfStability, HessianEigenvalues
from keras_sharpness.metrics import HessianOperator
from keras_sharpness.results import Result


def gradient_descent(learning_rate, *, num_steps=3000, steps_per_epoch=100):
    """Full-batch gradient descent on 100 digits of 7 x 7 pixels.

    A tanh network of three layers of 32 units, squared error.
    """
    digits = data.load("mnist_5k").take(100)
    x = digits.x_train.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))
    x = x.reshape(-1, 49)
    x = (0.3 * (x - x.mean(axis=0)) / x.std()).astype("float32")
    y = keras.utils.to_categorical(digits.y_train, 10)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((49,)),
            *(keras.layers.Dense(32, "tanh") for _ in range(3)),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        "mse",
        steps_per_execution=steps_per_epoch,
    )
    # An epoch of many steps, each on all the data, saves Keras' work between
    # epochs.
    batches = tf.data.Dataset.from_tensors((x, y)).repeat(steps_per_epoch)
    edge = EdgeOfStability(x, y)
    model.fit(
        batches,
        epochs=num_steps // steps_per_epoch,
        shuffle=False,
        callbacks=[edge],
        verbose=0,
    )
    return edge.to_frame()


def test_gradient_descent_goes_to_the_edge_and_stays():
    frame = gradient_descent(0.5)
    ratio = frame.edge_of_stability.to_numpy()
    np.testing.assert_allclose(
        frame.edge_of_stability_threshold, 2 / 0.5, rtol=1e-6
    )
    # Cohen et al. 2021: it rises from far below until there, and then stays
    # within a tenth.
    assert ratio[0] < 0.5
    arrival = int(np.argmax(ratio > 0.95))
    assert np.all(np.diff(ratio[:arrival]) > 0.0)
    assert 900 <= frame.step[arrival] <= 1500
    np.testing.assert_allclose(ratio[arrival:], 1.0, atol=0.1)


def dense_hessian(model, x, y):
    operator = HessianOperator(Objective(model, x, y))
    return operator @ np.eye(operator.shape[0])


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_preconditioned_eigenvalue_and_threshold(
    name, float64, build, data, tmp_path
):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [2, 3], [0.03, 0.02, 0.01]
    )
    model = build(
        {
            "sgd": lambda: keras.optimizers.SGD(schedule, 0.5, nesterov=True),
            "adam": lambda: keras.optimizers.Adam(schedule),
            "rmsprop": lambda: keras.optimizers.RMSprop(schedule),
        }[name]()
    )
    edge = EdgeOfStability(*data, tolerance=1e-6, max_products=500)
    model.fit(*data, batch_size=12, epochs=1, callbacks=[edge], verbose=0)
    (result,) = edge.results
    hessian = dense_hessian(model, *data)
    state = {v.path.split("/", 1)[1]: np.array(v) for v in (
        model.optimizer.variables
    )}  # fmt: skip
    squares = np.concatenate(
        [value.ravel() for path, value in state.items() if "velocity" in path]
        or [np.zeros(0)]
    )
    # Cohen et al. 2022, with Keras' places for ε. Four steps were taken; the
    # schedule counts from 0, so that the next has the last rate.
    preconditioner, threshold = {
        "sgd": (np.ones(51), 2 * 1.5 / 2.0 / 0.01),
        "adam": (
            (1 - 0.9**4) / np.sqrt(1 - 0.999**4) * (np.sqrt(squares) + 1e-7)
            if name == "adam" else None,
            38 / 0.01,
        ),
        "rmsprop": (np.sqrt(squares + 1e-7), 2 / 0.01),
    }[name]  # fmt: skip
    scale = preconditioner**-0.5
    top = np.linalg.eigvalsh(scale[:, None] * hessian * scale)[-1]
    # The error is about the square of the residual, 2e-7 of λ.
    assert result.eigenvalue == pytest.approx(top, rel=1e-9)
    # The rate is float32, whatever the network is.
    assert result.threshold == pytest.approx(threshold, rel=1e-6)
    assert result.ratio == result.eigenvalue / result.threshold
    assert result.preconditioned == (name != "sgd")
    assert result.learning_rate == pytest.approx(0.01)
    result.save(tmp_path / "edge.json")
    loaded = Result.load(tmp_path / "edge.json")
    assert loaded.search == result.search
    assert loaded.objective == result.objective
    assert loaded.objective["num_weights"] == 51


def test_logs(build, data):
    edge = EdgeOfStability(*data)
    history = build().fit(*data, callbacks=[edge], verbose=0).history
    (result,) = edge.results
    assert history["edge_of_stability"] == [result.ratio]
    assert history["edge_of_stability_eigenvalue"] == [result.eigenvalue]
    assert history["edge_of_stability_threshold"] == [result.threshold]


def test_other_optimizers_are_refused_before_the_training(build, data):
    model = build(keras.optimizers.Lion())
    with pytest.raises(ValueError, match="Received: optimizer Lion"):
        model.fit(*data, callbacks=[EdgeOfStability(*data)], verbose=0)
    assert int(model.optimizer.iterations) == 0


def test_warm_start_agrees_with_a_cold_one(build, data):
    model = build(keras.optimizers.SGD(0.5))
    top = HessianEigenvalues(*data, tolerance=1e-3, frequency=1)
    last = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: cold.append(
            hessian_eigenvalues(objective, tolerance=1e-3)
        )
    )
    objective, cold = Objective(model, *data), []
    model.fit(
        *data, batch_size=8, epochs=2, callbacks=[top, last], verbose=0
    )  # fmt: skip
    assert len(cold) == len(top.results) == 12
    # The square of the residual over the distance to the next eigenvalue.
    assert sum(r.num_initial_vectors == 2 for r in top.results) == 10
    np.testing.assert_allclose(
        top.to_frame().hessian_eigenvalue,
        [found.eigenvalues[0] for found in cold],
        rtol=1e-4,
    )


def test_schedules_may_begin_and_end_at_zero(build, data):
    # A step an epoch: 0 before the first, after the fourth and after.
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [0, 3], [0.0, 0.1, 0.0]
    )
    edge = EdgeOfStability(*data)
    logs = (
        build(keras.optimizers.SGD(schedule))
        .fit(*data, batch_size=48, epochs=5, callbacks=[edge], verbose=0)
        .history
    )
    rates = [result.learning_rate for result in edge.results]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.0, 0.0], rtol=1e-6)
    eigenvalues = np.array(logs["edge_of_stability_eigenvalue"])
    assert np.all(eigenvalues > 0.0)
    # λ / (2 / η) for all of them; float32 holds η to 6e-8.
    np.testing.assert_allclose(
        logs["edge_of_stability"],
        eigenvalues * np.array(rates) / 2.0,
        rtol=1e-6,
    )
    assert np.all(
        np.isinf(logs["edge_of_stability_threshold"]) == (np.array(rates) == 0)
    )
