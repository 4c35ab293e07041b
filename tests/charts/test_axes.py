"""Ends and ticks of axes."""

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.charts._axes import axis_from_zero, linear_axis, log_axis


@pytest.mark.parametrize("seed", range(20))
def test_axes_hold_their_values_without_much_room(seed):
    generator = np.random.default_rng(seed)
    values = 10.0 ** generator.uniform(-8, 8) * generator.uniform(0, 1, 9)
    low, high = values.min(), values.max()
    linear = linear_axis(low, high)
    assert linear.lower <= low < high <= linear.upper
    # At most one step at either end.
    step = linear.ticks[1] - linear.ticks[0]
    assert linear.upper - linear.lower <= high - low + 2.001 * step
    log = log_axis(values)
    assert log.lower < low < high < log.upper
    # The next of 1, 2 and 5 is at most 2.5 times away, or one further.
    assert low / log.lower <= 2.5 * 1.001
    assert log.upper / high <= 2.5 * 1.001
    zero = axis_from_zero(high)
    assert len(zero.ticks) in (5, 6)
    assert high <= zero.upper * 1.001 <= 1.6 * high
    for axis in (linear, log, zero):
        assert axis.ticks[0] >= axis.lower
        assert axis.ticks[-1] <= axis.upper
        assert len(axis.ticks) >= 2
    np.testing.assert_allclose(
        np.diff(zero.ticks), zero.upper / (len(zero.ticks) - 1), rtol=1e-9
    )


def test_ticks_are_short_numbers():
    assert linear_axis(0.0, 0.6).ticks == [0.0, 0.2, 0.4, 0.6]
    assert linear_axis(97.3, 100.0).ticks == [97.0, 98.0, 99.0, 100.0]
    assert axis_from_zero(1.25).ticks == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert log_axis([0.0035, 2.1]).ticks == [0.01, 0.1, 1.0]
    assert log_axis([2.9, 6.8]).ticks == [2.0, 5.0, 10.0]


def test_many_decades_have_few_labels():
    axis = log_axis([1e-12, 1e12])
    assert len(axis.ticks) <= 7
    ratios = np.diff(np.log10(axis.ticks))
    # log10 of a power of ten, to its last bit or so.
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)


def test_equal_values_get_an_axis_too():
    for axis in (linear_axis(3.0, 3.0), linear_axis(0.0, 0.0)):
        assert axis.upper > axis.lower
    axis = log_axis([1.0, 1.0])
    assert axis.lower < 1.0 < axis.upper
    assert axis_from_zero(0.0).upper > 0.0


def test_shown_values_are_beyond_the_axis_but_not_far():
    values = pd.Series([-np.inf, 0.0, 0.5, 1e300, np.inf, np.nan])
    linear = axis_from_zero(1.0).shown(values)
    assert linear[2] == 0.5
    assert linear[0] < 0.0
    assert 1.0 < linear[3] == linear[4] < 1e4
    assert np.isnan(linear[5])
    log = log_axis([0.1, 1.0])
    assert log.shown(values)[1] == log.lower
