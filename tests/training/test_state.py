"""Snapshots hold what was, whatever the variables become."""

import numpy as np
import pytest

from keras_sharpness.training.backend import FiniteCheck
from keras_sharpness.training.state import (
    TrainingState,
    epoch_order,
    reseed,
)


def test_a_snapshot_stays_and_comes_back(make_classifier, blobs):
    model = make_classifier(dropout=0.5)
    model.optimizer.build(model.trainable_variables)
    expected = [np.array(v) for v in model.variables]
    state = TrainingState.of(model)
    # Compiled updates write into the variables' buffers.
    model.fit(*blobs, epochs=2, verbose=0)
    for value, before in zip(state.model, expected, strict=True):
        np.testing.assert_array_equal(value, before)
    assert int(model.optimizer.iterations) > 0
    state.to_numpy().restore(model)
    for variable, before in zip(model.variables, expected, strict=True):
        np.testing.assert_array_equal(np.array(variable), before)
    assert int(model.optimizer.iterations) == 0


def test_another_models_state_is_refused(make_classifier, make_convnet):
    states = []
    for model in (make_classifier(), make_convnet()):
        model.optimizer.build(model.trainable_variables)
        states.append(TrainingState.of(model))
    with pytest.raises(ValueError, match="Build the model as it was"):
        states[0].restore(model)


def test_finite_check(make_classifier):
    model = make_classifier()
    is_finite = FiniteCheck(model)
    assert is_finite()
    moving_variance = model.layers[1].moving_variance
    moving_variance.assign(np.full(8, np.inf))
    assert not is_finite()


def test_every_generator_gets_a_stream_of_its_own(make_convnet):
    def states(model):
        return [
            tuple(np.array(v))
            for v in model.variables
            if v.path.endswith("seed_generator_state")
        ]

    one, other = make_convnet(), make_convnet()
    reseed(one.variables, 5)
    reseed(other.variables, 5)
    assert states(one) == states(other)
    assert len(set(states(one))) == 2  # SpatialDropout2D and Dropout
    reseed(other.variables, 6)
    assert not set(states(one)) & set(states(other))


def test_orders_are_permutations_that_differ():
    orders = [epoch_order(20, seed=s, epoch=e) for s in (0, 1) for e in (0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(20))
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(orders[1], epoch_order(20, seed=0, epoch=1))
