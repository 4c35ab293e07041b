"""When a callback is due, and how long it may take."""

import time

import pytest

from keras_sharpness.callbacks._schedule import (
    BatchCounter,
    Budget,
    OutOfTime,
    check_frequency,
)


def test_without_a_limit_everything_is_allowed():
    budget = Budget(None, None)
    budget.add(1e9)
    budget.check(1e9)
    assert budget.allows_another()
    assert not budget.is_limited


def test_seconds_of_a_training_together():
    budget = Budget(10.0, None)
    budget.add(2.0, is_setup=True)
    assert budget.allows_another()
    budget.add(3.0)
    # 5 spent, 3 more fit, then 8 and 3 more do not.
    assert budget.allows_another()
    budget.add(3.0)
    assert not budget.allows_another()
    budget.start()
    assert budget.allows_another()


def test_a_measurement_is_broken_off_at_the_limit():
    budget = Budget(10.0, None)
    budget.add(4.0)
    budget.check(5.9)
    with pytest.raises(OutOfTime):
        budget.check(6.1)


def test_a_share_of_the_training_itself():
    budget = Budget(None, 0.5)
    budget.add(100.0, is_setup=True)
    # Nothing is known of the first measurement.
    assert budget.allows_another()
    budget.add(1e-4)
    # As if 100 s of set-up and 1 s of training had passed: room for 0.5 s.
    budget._began = time.perf_counter() - 101.0
    assert budget.allows_another()
    budget.add(0.3)
    assert not budget.allows_another()
    # 2 s of training: room for 1 s.
    budget._began -= 1.3
    assert budget.allows_another()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            (0.0, None),
            "`max_seconds` must be a positive, finite number",
        ),
        (
            (None, -0.1),
            "`max_share` must be a positive, finite number",
        ),
        ((float("nan"), None), "Leave it out"),
    ],
)
def test_limits_are_positive(limits, message):
    with pytest.raises(ValueError, match=message):
        Budget(*limits)


def due(frequency, epochs):
    counter = BatchCounter(frequency)
    return [[b for b in batches if counter.is_due(b)] for batches in epochs]


def test_every_so_many_batches_across_epochs():
    epochs = [range(5), range(5), range(5)]
    assert due(3, epochs) == [[2], [0, 3], [1, 4]]
    assert due(5, epochs) == [[4], [4], [4]]
    assert due(7, epochs) == [[], [1], [3]]


def test_several_batches_at_once():
    # Keras tells of the last one of each execution, here of 4 batches.
    epochs = [(3, 7, 9), (3, 7, 9)]
    assert due(1, epochs) == [[3, 7, 9], [3, 7, 9]]
    assert due(5, epochs) == [[7, 9], [7, 9]]


def test_epochs_of_one_batch():
    assert due(2, [[0], [0], [0], [0]]) == [[], [0], [], [0]]


@pytest.mark.parametrize("frequency", [0, -1, 1.5, True, "batch", None])
def test_other_frequencies_are_refused(frequency):
    with pytest.raises(ValueError, match="number of batches, or 'epoch'"):
        check_frequency(frequency)
