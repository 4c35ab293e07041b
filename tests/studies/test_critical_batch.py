"""The critical batch size of updates whose law is known."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats

from keras_sharpness.studies.critical_batch import CriticalBatch

SIZES = (8, 32, 128, 512, 2000)


def trainings(law, noise=0.0, num_seeds=3):
    """Updates by a law of the batch size, with noise of their logarithm."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "batch_size": size,
                "updates": law(size)
                * np.exp(noise * generator.standard_normal() + 0.1 * seed),
            }
            for seed in range(num_seeds)
            for size in SIZES
        ]
    )


@pytest.mark.parametrize("critical", [20.0, 100.0, 700.0])
def test_the_law_is_found_where_it_holds(critical):
    found = CriticalBatch.of(trainings(lambda b: 200 * (1 + critical / b)))
    # Up to the search's 1e-10 of log B, and rounding.
    assert found.size == pytest.approx(critical, rel=1e-6)
    assert found.low == pytest.approx(critical, rel=1e-5)
    assert found.high == pytest.approx(critical, rel=1e-5)
    # Each seed takes 10 % more than the one before.
    assert found.least_updates == pytest.approx(200 * np.exp(0.1), rel=1e-6)
    assert found.misfit == pytest.approx(1.0, abs=1e-6)


def test_the_interval_is_that_of_scipys_fit():
    frame = trainings(lambda b: 200 * (1 + 100 / b), noise=0.05)
    found = CriticalBatch.of(frame)
    seeds, sizes = frame["seed"].to_numpy(), frame["batch_size"].to_numpy()

    def model(_, log_critical, *heights):
        curve = np.log1p(np.exp(log_critical) / sizes)
        return np.array(heights)[seeds] + curve

    fitted, covariance = scipy.optimize.curve_fit(
        model, None, np.log(frame["updates"]), p0=[3.0, 5.0, 5.0, 5.0]
    )
    margin = scipy.stats.t.ppf(0.975, len(frame) - 4) * covariance[0, 0] ** 0.5
    assert found.size == pytest.approx(np.exp(fitted[0]), rel=1e-4)
    # SciPy's takes the model to be linear, the profile does not: they differ
    # in the second order of the margin, 0.07² / 2 of log B at the most.
    log_ends = np.log([found.low, found.high])
    assert log_ends == pytest.approx(
        [fitted[0] - margin, fitted[0] + margin], abs=margin**2
    )
    assert found.low < 100 < found.high


@pytest.mark.parametrize(
    ("law", "said"),
    [
        (lambda b: 500.0, "do not fall with the batch"),
        (lambda b: 1e6 / b, "fall as the batch grows, up to the largest"),
    ],
)
def test_no_critical_batch_where_the_data_hold_none(law, said):
    found = CriticalBatch.of(trainings(law))
    assert np.isnan(found.size)
    assert said in str(found)


def test_two_sizes_are_too_few():
    frame = trainings(lambda b: 200 * (1 + 100 / b))
    found = CriticalBatch.of(frame[frame["batch_size"] < 100])
    assert "takes three batch sizes" in str(found)


def test_a_wide_interval_is_said_to_be_open():
    frame = trainings(lambda b: 200 * (1 + 3000 / b), noise=0.3, num_seeds=2)
    found = CriticalBatch.of(frame)
    assert np.isinf(found.high)
    assert "open above" in str(found)
