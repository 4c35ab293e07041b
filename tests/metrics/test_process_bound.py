"""Pickles, copies and forks of what holds compiled functions."""

import copy
import os
import pickle
import signal

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics import HessianOperator, StoredProducts


@pytest.fixture
def objective():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x = np.random.default_rng(0).standard_normal((8, 3))
    return ks.Objective(model, x, np.ones((8, 2)), loss="mse")


def things(objective, folder):
    operator = HessianOperator(objective)
    operator @ np.ones(8)
    return [
        objective,
        operator,
        2.0 * operator,
        StoredProducts(operator, folder / "products"),
    ]


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
def test_objectives_and_operators_say_that_they_stay(way, objective, tmp_path):
    for thing in things(objective, tmp_path):
        with pytest.raises(TypeError, match=r"make the Objective in the proc"):
            way(thing)


def test_shallow_copies_work(objective, tmp_path):
    for thing in things(objective, tmp_path)[:2]:
        found = copy.copy(thing)
        assert type(found) is type(thing)
        assert vars(found) == vars(thing)
    twin = copy.copy(objective)
    assert np.array_equal(twin.gradient(), objective.gradient())


def test_results_can_be_pickled_and_copied(objective):
    results = [
        ks.hessian_eigenvalues(objective, k=1, progress=False),
        ks.hessian_trace(objective, num_probes=2, progress=False),
        ks.spectral_density(objective, num_probes=2, progress=False),
        ks.epsilon_sharpness(objective, epsilon=1e-3, progress=False),
        ks.interpolate(
            objective,
            objective.weights,
            0.0 * objective.weights,
            alphas=[0.0, 1.0],
            progress=False,
        ),
    ]
    for result in results:
        expected = result.to_dict()
        for found in (
            pickle.loads(pickle.dumps(result)),
            copy.deepcopy(result),
        ):
            assert repr(found.to_dict()) == repr(expected)


def in_a_fork(task):
    """What a task says in a forked process that is ended if it hangs."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            task()
            said = "it went well"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as file:
        said = file.read()
    assert os.waitstatus_to_exitcode(status) == 0
    return said


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize(
    "door",
    [
        "value",
        "gradient",
        "weights",
        "product",
        "operator",
        "another objective",
    ],
)
def test_a_forked_process_says_what_to_do(door, objective):
    operator = HessianOperator(objective)
    operator @ np.ones(8)
    doors = {
        "value": objective.value,
        "gradient": objective.gradient,
        "weights": lambda: objective.weights,
        "product": lambda: objective.hessian_product(np.ones(8)),
        "operator": lambda: operator @ np.ones(8),
        "another objective": lambda: ks.Objective(
            objective.model, np.ones((4, 3)), np.ones((4, 2)), loss="mse"
        ),
    }
    said = in_a_fork(doors[door])
    assert said.startswith("RuntimeError: This process")
    assert "started by 'spawn'" in said
    assert objective.value() > 0
