"""What is remembered of callbacks, and what is not."""

import keras
import numpy as np
import pytest

from keras_sharpness.training.callback_state import (
    callback_states,
    has_batch_hooks,
    restore_callbacks,
)


class Remembers(keras.callbacks.Callback):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        self.best = [np.array([np.nan, 1.0]), {"seen": 3}]
        self.function = len
        self._folder = "from the arguments"


def test_settings_and_functions_are_left_out():
    state = callback_states([Remembers(limit=3)])[0]
    assert "limit" not in state
    assert "function" not in state
    assert state["best"][1] == {"seen": 3}


def test_only_what_changed_is_kept_and_restored():
    callback = Remembers(3)
    before = callback_states([callback])
    assert callback_states([callback], since=before) == [{}]
    callback.best[0][1] = 7.0
    (changed,) = callback_states([callback], since=before)
    assert list(changed) == ["best"]
    callback.best[0][1] = 9.0  # a copy does not follow
    other = Remembers(5)
    other._folder = "elsewhere"
    restore_callbacks([other], [changed])
    np.testing.assert_array_equal(other.best[0], [np.nan, 7.0])
    assert (other.limit, other._folder) == (5, "elsewhere")


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (keras.callbacks.EarlyStopping(), False),
        (keras.callbacks.ReduceLROnPlateau(), False),
        (keras.callbacks.ModelCheckpoint("model.keras"), False),
        (keras.callbacks.ModelCheckpoint("m.keras", save_freq=10), True),
        (keras.callbacks.LambdaCallback(on_epoch_end=print), False),
        (keras.callbacks.LambdaCallback(on_train_batch_end=print), True),
        (keras.callbacks.TerminateOnNaN(), True),
    ],
)
def test_who_wants_batches(callback, expected):
    assert has_batch_hooks([callback]) is expected
