"""Operators that keep the first passes, against products that do not."""

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.curvature_products import is_worthwhile
from keras_sharpness.metrics.operators import (
    CurvatureOperator,
    EmpiricalFisherOperator,
    FisherOperator,
    GaussNewtonOperator,
    HessianOperator,
)
from tests.zoo import functions, images, sequences, structures  # noqa: F401
from tests.zoo.case import BUILDERS

# Of every kind one: loops, masks, dicts, gathers, pooling, moving statistics,
# several losses.
NAMES = (
    "masked_lstm",
    "pooling_2d",
    "batch_normalisation",
    "transformer_block",
    "sequential",
    "inputs_in_a_dict",
)


def network(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    rng = np.random.default_rng(0)
    return model, rng.standard_normal((12, 4)), rng.integers(0, 3, 12)


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("name", NAMES)
def test_products_are_the_same(name, float64):
    keras.utils.set_random_seed(0)
    case = BUILDERS[name]()
    options = {"batch_size": 6, **case.options}
    objective = Objective(
        case.model, *case.data, keep_activations=True, **options
    )
    operator = HessianOperator(objective)
    v = np.random.default_rng(0).standard_normal((objective.size, 2))
    expected = objective.hessian_product(v)
    # Rounding of some thousand operations, in float32 where the layer is.
    tolerance = 1e-4 if case.is_single else 1e-11
    for _ in range(2):
        assert relative(operator @ v, expected) < tolerance
    assert relative(operator @ v[:, 0], expected[:, 0]) < tolerance


@pytest.mark.parametrize(
    "make",
    [
        GaussNewtonOperator,
        EmpiricalFisherOperator,
        lambda o, w=None: FisherOperator(o, w, method="monte-carlo", seed=3),
    ],
)
def test_other_matrices(make, float64):
    data = network()
    kept = make(Objective(*data, batch_size=5, keep_activations=True))
    plain = make(Objective(*data, batch_size=5, keep_activations=False))
    v = np.random.default_rng(0).standard_normal((kept.shape[0], 2))
    # Rounding of float64.
    assert relative(kept @ v, plain @ v) < 1e-12


def test_each_operator_stays_at_its_point():
    model, x, y = network()
    objective = Objective(model, x, y, batch_size=5, keep_activations=True)
    here = HessianOperator(objective)
    other = HessianOperator(objective, objective.weights + 0.5)
    v = np.random.default_rng(0).standard_normal(objective.size)
    first, second = here @ v, other @ v
    model.set_weights([w + 0.5 for w in model.get_weights()])
    np.testing.assert_array_equal(here @ v, first)
    np.testing.assert_array_equal(other @ v, second)
    # The same point, read from the model now: float32.
    assert relative(HessianOperator(objective) @ v, second) < 1e-5
    assert relative(first, second) > 1e-2


def test_the_data_are_passed_once():
    model, x, y = network()
    objective = Objective(model, x, y, batch_size=5, keep_activations=True)
    operator = HessianOperator(objective)
    operator @ np.ones(objective.size)

    def refuse(*arguments):
        raise AssertionError("the point was looked at again")

    objective.standing_at = refuse
    assert np.all(np.isfinite(operator @ np.arange(objective.size)))


def test_without_room_nothing_is_kept(monkeypatch):
    memory = psutil.virtual_memory()._replace(available=100)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    model, x, y = network()
    objective = Objective(model, x, y, batch_size=5, keep_activations=True)
    operator = HessianOperator(objective)
    v = np.random.default_rng(0).standard_normal(objective.size)
    product = operator @ v
    assert set(operator._kept._maps.values()) == {None}
    np.testing.assert_array_equal(product, objective.hessian_product(v))


def test_by_default_small_problems_keep_nothing():
    objective = Objective(*network())
    assert HessianOperator(objective)._kept is None
    assert not is_worthwhile(1_000, 1_000)
    assert is_worthwhile(1_500_000, 1_000)


def test_data_sets_of_batches_are_refused():
    model, x, y = network()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    with pytest.raises(ValueError, match="needs arrays"):
        Objective(model, data, keep_activations=True)
    assert isinstance(
        HessianOperator(Objective(model, data)), CurvatureOperator
    )
