"""Limits on the time that measurements take."""

import time

import pytest

from keras_sharpness.callbacks._budget import Budget, OutOfTime


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
