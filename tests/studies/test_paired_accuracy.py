"""The difference of two accuracies, against SciPy."""

import numpy as np
import pytest
import scipy.stats

from keras_sharpness.studies.paired_accuracy import PairedAccuracy

FIRST, SECOND = [0.90, 0.94, 0.92, 0.95], [0.95, 0.93, 0.98, 0.99]


def test_interval_is_student_s_over_the_seeds():
    found = PairedAccuracy.of(FIRST, SECOND)
    gaps = 100 * (np.array(SECOND) - FIRST)
    low, high = scipy.stats.ttest_1samp(gaps, 0.0).confidence_interval(0.95)
    assert found.gap == pytest.approx(gaps.mean())
    assert found.gap - found.margin == pytest.approx(low)
    assert found.gap + found.margin == pytest.approx(high)
    assert found.side == int(low > 0) - int(high < 0)


def test_few_test_samples_widen_it():
    # √((p₁ q₁ + p₂ q₂) / N) with p = (k + 1) / (N + 2): 90 and 92 of 100.
    found = PairedAccuracy.of([0.9, 0.9], [0.92, 0.92], num_test=100)
    shares = np.array([91, 93]) / 102
    deviation = 100 * np.sqrt((shares * (1 - shares)).sum() / 100)
    quantile = scipy.stats.t.ppf(0.975, 1)
    assert found.margin == pytest.approx(quantile * deviation / np.sqrt(2))
    assert "100 test samples resolve" in found.note
    assert found.side == 0


@pytest.mark.parametrize("values", [([0.9], [0.8]), ([0.9] * 3, [0.8] * 3)])
def test_what_tells_nothing_has_no_interval(values):
    found = PairedAccuracy.of(*values)
    assert found.gap == pytest.approx(-10.0)
    assert np.isnan(found.margin)
    assert found.side == 0
