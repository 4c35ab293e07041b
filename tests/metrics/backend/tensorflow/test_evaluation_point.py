"""Where compiled functions stand, block inside block."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
)


@pytest.fixture
def variables():
    return [keras.Variable(np.array([1.0, 2.0], "float32"))]


def standing(point):
    read = point.compile("read", lambda weights, state: weights[0] + 0.0)
    return read().numpy().tolist()


def test_a_block_stands_where_the_variables_are(variables):
    point = EvaluationPoint(variables, [])
    with point.at(variables, []):
        assert standing(point) == [1.0, 2.0]
    variables[0].assign([3.0, 4.0])
    # Moved between two blocks, unlike within one.
    with point.at(variables, []):
        assert standing(point) == [3.0, 4.0]


def test_a_block_inside_another(variables):
    point = EvaluationPoint(variables, [])
    elsewhere = [np.array([5.0, 6.0], "float32")]
    with point.at(variables, []):
        with point.at(variables, []):
            assert standing(point) == [1.0, 2.0]
        with point.at(elsewhere, []):
            assert standing(point) == [5.0, 6.0]
        with point.at(variables, []):
            assert standing(point) == [1.0, 2.0]
    with point.at(elsewhere, []), point.at(elsewhere, []):
        assert standing(point) == [5.0, 6.0]


def test_a_moved_state_is_not_taken_for_the_models_own(variables):
    point = EvaluationPoint([], variables)
    read = point.compile("read", lambda weights, state: state[0] + 0.0)
    with point.at([], variables):
        point.move_state(lambda state: [2.0 * state[0]])
        assert read().numpy().tolist() == [2.0, 4.0]
        with point.at([], variables):
            assert read().numpy().tolist() == [1.0, 2.0]


def test_nothing_is_remembered_after_an_exception(variables):
    point = EvaluationPoint(variables, [])
    with pytest.raises(KeyError), point.at(variables, []):
        raise KeyError
    variables[0].assign([3.0, 4.0])
    with point.at(variables, []):
        assert standing(point) == [3.0, 4.0]
