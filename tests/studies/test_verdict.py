"""What a comparison says, and that it says no more than its seeds can tell."""

import re

import numpy as np
import pytest
import scipy.stats

from keras_sharpness.studies import Comparison
from keras_sharpness.studies.paired_ratio import PairedRatio, ratio_text


def made(measures, *, accuracies=None, losses=(0.1, 0.1), num_test=1000):
    """A comparison of numbers from columns to (small, large), per seed."""
    seeds = range(len(next(iter(measures.values()))[0]))
    accuracies = accuracies or ([0.9] * len(seeds),) * 2
    rows = tuple(
        {
            "seed": seed,
            "batch": batch,
            "batch_size": (32, 400)[side],
            "epochs": 1,
            "updates": 1,
            "train_accuracy": 1.0,
            "test_accuracy": accuracies[side][seed],
            "train_loss": losses[side],
            "test_loss": 0.1,
            **{name: both[side][seed] for name, both in measures.items()},
            "distance_from_start": 1.0,
        }
        for seed in seeds
        for side, batch in enumerate(("small", "large"))
    )
    settings = {} if num_test is None else {"num_test": num_test}
    return Comparison(rows=rows, barriers={}, settings=settings, folder="")


def on_sharpness(*arguments, **options):
    return " ".join(made(*arguments, **options).verdict()[:-1])


FULL, SUBSPACE = "sharpness_0.001_full", "sharpness_0.001_subspace"
SHARP = ([1.0, 1.2, 0.9], [20.0, 26.0, 21.0])
FLAT = ([1.0, 1.2, 0.9], [0.1, 0.13, 0.08])
UNSURE = ([1.0, 1.2, 0.9], [0.8, 1.6, 0.9])


def test_a_ratio_is_that_of_the_pairs_logarithms():
    small, large = (np.array(v) for v in SHARP)
    found = PairedRatio.of(small, large)
    # SciPy's paired t test, on logarithms.
    interval = scipy.stats.ttest_rel(
        np.log(large), np.log(small)
    ).confidence_interval(0.95)
    assert found.ratio == pytest.approx(scipy.stats.gmean(large / small))
    assert (found.low, found.high) == pytest.approx(
        (np.exp(interval.low), np.exp(interval.high))
    )
    assert found.side == 1
    back = PairedRatio.of(large, small)
    assert back.side == -1
    assert back.inverse.low == pytest.approx(found.low)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ([1, 1, 1], [1, 1, 1]),
        ([1, 1.2, 0.8], [1, 0.8, 1.2]),
        # One seed of three decides the means.
        ([1, 1, 100], [2, 2, 2]),
        ([2, 2, 2], [1, 1, 100]),
        # Every seed the same, up to rounding: no spread, no interval.
        ([1, 1, 1], [2, 2, 2]),
        ([0.1, 0.2, 0.3], [1, 2, 3]),
        # Where there is no ratio.
        ([0, 1, 1], [2, 2, 2]),
        ([-1, -1.2, -1], [2, 2, 2]),
        ([1, np.nan, 1], [20, 21, 22]),
        ([1, 1.1], [3, 4.5]),
        ([1], [100]),
    ],
)
def test_what_the_seeds_cannot_tell(small, large):
    said = on_sharpness({FULL: (small, large)})
    assert "cannot tell which minimum is sharper" in said
    assert "times sharper" not in said
    assert PairedRatio.of(small, large).side == 0


@pytest.mark.parametrize(
    ("values", "which"), [(SHARP, "large"), (SHARP[::-1], "small")]
)
def test_what_the_seeds_can_tell(values, which):
    said = on_sharpness({FULL: values})
    assert f"the one measure the {which}-batch minimum is sharper" in said
    small, large = values
    ratio = scipy.stats.gmean(np.divide(large, small))
    assert f"{ratio_text(max(ratio, 1 / ratio))} times sharper (" in said
    assert "95 % confidence interval" in said


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ({FULL: SHARP, "eigenvalue_1": SHARP}, ["By all 2 measures the large"]),
        (
            {FULL: SHARP, SUBSPACE: UNSURE, "eigenvalue_1": UNSURE},
            ["By 1 of 3 measures the large", "By 2 of 3 measures the seeds"],
        ),
        (
            {FULL: SHARP, SUBSPACE: UNSURE, "eigenvalue_1": FLAT},
            [
                "contradict each other",
                "By 1 of 3 measures the large",
                "By 1 of 3 measures the small",
                "By 1 of 3 measures the seeds cannot tell",
            ],
        ),
        (
            {FULL: UNSURE, SUBSPACE: UNSURE},
            ["cannot tell which minimum is sharper, by any of 2 measures"],
        ),
    ],
)
def test_every_measure_is_weighed(measures, expected):
    said = on_sharpness(measures)
    for text in expected:
        assert text in said
    for name in ("full space", "subspace", "eigenvalue 1"):
        column = name.replace(" ", "_").removesuffix("_space")
        assert (name in said.partition("differ in")[0]) == any(
            column in measure for measure in measures
        )
    assert ("differ in how far they look" in said) == (
        "all 2" not in said and "any of" not in said
    )


@pytest.mark.parametrize(
    ("losses", "expected", "unexpected"),
    [
        # The lower loss makes its minimum look flatter.
        ((0.01, 0.001), ["0.01 (small batch) and 0.001", "large-batch"], []),
        ((0.001, 0.01), ["makes the small-batch minimum look flatter"], []),
        # 1 + f, which divides φ, is 2 against 4.
        ((3.0, 1.0), ["counts 2 times less at the small-batch"], []),
        ((0.1, 0.1), ["does not explain it"], ["look flatter"]),
    ],
)
def test_the_loss_that_is_left_is_spoken_of(losses, expected, unexpected):
    said = on_sharpness({FULL: SHARP, "eigenvalue_1": FLAT}, losses=losses)
    assert all(text in said for text in expected)
    assert not any(text in said for text in unexpected)


def test_no_ratio_reads_as_one():
    # 0.4 % more in every seed, give or take a tenth of that.
    small = [1.0, 1.0, 1.0]
    said = on_sharpness({FULL: (small, [1.004, 1.0042, 1.0038])})
    (ratio,) = re.findall(r"([\d.]+) times sharper", said)
    assert float(ratio) == pytest.approx(1.004, abs=1e-4)
    assert ratio_text(1.0) == "1"


def resolved(small, large, number):
    """Deviation of a difference of two shares, Agresti and Caffo's."""
    shares = [(p * number + 1) / (number + 2) for p in (small, large)]
    return np.sqrt(sum(p * (1 - p) / number for p in shares))


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        ((0.91, 0.93, 0.95), (0.78, 0.84, 0.81), "The small-batch minimum"),
        ((0.90, 0.70, 0.95), (0.92, 0.93, 0.94), "3 seeds cannot tell"),
        ((0.91, 0.93), (0.95, 0.99), "2 seeds cannot tell"),
    ],
)
def test_accuracies_that_spread_have_students_interval(small, large, expected):
    found = made({FULL: (small, small)}, accuracies=(small, large))
    said = found.verdict()[-1]
    assert said.startswith(expected)
    interval = scipy.stats.ttest_rel(large, small).confidence_interval(0.95)
    low, high = (100 * end for end in interval)
    assert f"confidence interval {low:+.2f} to {high:+.2f}" in said
    assert "resolve" not in said


@pytest.mark.parametrize(
    ("small", "large", "number", "expected"),
    [
        # Alike in all seeds, by zero, one and a hundred of 1,000 samples.
        ([0.93] * 3, [0.93] * 3, 1000, "3 seeds cannot tell"),
        ([0.93] * 3, [0.931] * 3, 1000, "3 seeds cannot tell"),
        ([0.93] * 3, [0.83] * 3, 1000, "The small-batch minimum"),
        ([1.0] * 3, [1.0] * 3, 20, "3 seeds cannot tell"),
        # Spread, but by less than 1,000 samples resolve.
        ([0.93, 0.931, 0.93], [0.935, 0.935, 0.936], 1000, "3 seeds cannot"),
    ],
)
def test_accuracies_are_counts_of_samples(small, large, number, expected):
    found = made(
        {FULL: (small, small)}, accuracies=(small, large), num_test=number
    )
    said = found.verdict()[-1]
    assert said.startswith(expected)
    assert f"{number} test samples resolve" in said.replace(",", "")
    count, gap = len(small), 100 * (np.mean(large) - np.mean(small))
    margin = scipy.stats.t.ppf(0.975, count - 1) / np.sqrt(count)
    margin *= 100 * resolved(np.mean(small), np.mean(large), number)
    assert f"{gap - margin:+.2f} to {gap + margin:+.2f}" in said


@pytest.mark.parametrize(
    ("small", "large", "number"),
    [([0.9], [0.8], 1000), ([0.9], [0.9], 1000), ([0.9] * 3, [0.8] * 3, None)],
)
def test_accuracies_without_an_interval(small, large, number):
    found = made(
        {FULL: (small, small)}, accuracies=(small, large), num_test=number
    )
    said = found.verdict()[-1]
    assert "cannot tell which minimum generalises better" in said
    assert "interval" not in said


def test_without_accuracies_the_test_loss_is_compared():
    found = made({FULL: SHARP}, accuracies=([None] * 3,) * 2)
    assert "cannot tell" in found.verdict()[-1]
    assert "test loss 0.1 (small batch)" in found.verdict()[-1]
    assert not [label for label in found.summary().index if "test acc" in label]


def test_the_table_has_the_same_ratios():
    table = made({FULL: SHARP, "eigenvalue_1": ([1, 1, 1], [-1, 2, 2])})
    column = table.summary()["large / small"]
    ratio = PairedRatio.of(*SHARP)
    assert column["φ, ε = 0.001 (%)"].startswith(f"{ratio.ratio:.3g} (")
    assert column["eigenvalue 1"] == "–"
    assert column["train loss"] == "1"
    assert column["test accuracy (%)"] == ""
