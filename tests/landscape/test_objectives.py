"""Which objectives are measured together, and what stops them."""

import threading

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape.objectives import as_objectives, stop_function


def test_one_is_a_dict_of_one(quadratic):
    objective = quadratic[0]
    assert as_objectives(objective) == {"data": objective}
    assert as_objectives({"train": objective}) == {"train": objective}


def test_other_architectures_and_modes_are_refused(quadratic, classifier):
    objective, train = quadratic[0], classifier["train"]
    with pytest.raises(ValueError, match="'other' has another architecture"):
        as_objectives({"train": train, "other": objective})
    data = np.zeros((2, 5)), np.zeros(2)
    other = ks.Objective(
        train.model, *data, loss=train.loss.function, batch_norm="batch"
    )
    with pytest.raises(ValueError, match="batch-norm mode"):
        as_objectives({"train": train, "other": other})


def test_what_asks_to_stop():
    event = threading.Event()
    stopped = stop_function(event)
    assert not stopped()
    event.set()
    assert stopped()
    assert not stop_function(None)()
    assert stop_function(lambda: True)()
