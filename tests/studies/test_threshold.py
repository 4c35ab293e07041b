"""The threshold of accuracies that are known to have one, or none."""

import itertools

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.studies.threshold import Threshold

SIZES = (8, 16, 32, 128, 512, 2048)


def trainings(law, noise=0.001, sizes=SIZES, num_seeds=3, seed=0):
    """Accuracies by a law of the batch size, each seed on its own level."""
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "batch_size": size,
                "test_accuracy": law(size)
                + noise * generator.standard_normal()
                + 0.01 * seed,
            }
            for seed in range(num_seeds)
            for size in sizes
        ]
    )


def broken(size):
    return 0.92 - 0.006 * max(0.0, np.log2(size / 64))


def test_a_break_is_found_with_its_slope():
    found = Threshold.of(trainings(broken), "test_accuracy")
    assert found.low < 64 < found.high
    # 18 accuracies of deviation 0.001 along a hinge of length ‖h‖ = 5.5 per
    # seed: the slope's deviation is 0.001 / (5.5 √3) = 1e-4; four of them.
    assert found.fall == pytest.approx(0.006, abs=4e-4)
    assert found.chance < 1e-3
    said = found.sentence("test accuracy", "points", 100.0)
    assert "falls beyond a batch size of" in said
    assert "points per doubling" in said


def test_a_fall_over_the_whole_range_has_no_threshold():
    frame = trainings(lambda b: 0.92 - 0.006 * np.log2(b))
    found = Threshold.of(frame, "test_accuracy")
    assert found.low == 0
    assert "cannot tell a threshold" in found.sentence("test accuracy")


@pytest.mark.parametrize("law", [lambda b: 0.9, lambda b: 0.8 + 0.01 * b**0.3])
def test_what_does_not_fall_has_no_threshold(law):
    found = Threshold.of(trainings(law), "test_accuracy")
    assert np.isnan(found.size)
    assert "No threshold of the test accuracy" in found.sentence(
        "test accuracy"
    )


def test_the_chance_is_the_share_of_permutations():
    """By a loop over all orders, with NumPy's least squares for each break."""
    frame = trainings(broken, noise=0.01, sizes=(8, 64, 512))
    found = Threshold.of(frame, "test_accuracy")
    logs = np.log2([8.0, 64.0, 512.0])
    table = frame.pivot(
        index="seed", columns="batch_size", values="test_accuracy"
    ).to_numpy()

    def taken(values):
        """The most that a fall takes of the sum of squares."""
        most = 0.0
        for place in np.linspace(logs[0], logs[-1], 41)[:-1]:
            hinge = np.tile(np.maximum(0.0, logs - place), 3)
            levels = np.kron(np.eye(3), np.ones((3, 1)))
            design = np.column_stack([hinge, levels])
            fitted, *_ = np.linalg.lstsq(design, values.ravel(), rcond=None)
            if fitted[0] < 0:
                level = values - values.mean(axis=1, keepdims=True)
                left = np.sum((values.ravel() - design @ fitted) ** 2)
                most = max(most, np.sum(level**2) - left)
        return most

    least = taken(table) * (1 - 1e-9)
    orders = list(itertools.permutations(range(3)))
    count = 0
    for choice in itertools.product(orders, repeat=3):
        rows = zip(table, choice, strict=True)
        count += taken(np.array([row[list(o)] for row, o in rows])) >= least
    assert found.chance == pytest.approx(count / 6**3, abs=1e-12)


def test_noise_is_seldom_taken_for_a_threshold():
    found = [
        Threshold.of(
            trainings(lambda b: 0.9, 0.01, (8, 64, 512), seed=seed),
            "test_accuracy",
        )
        for seed in range(100)
    ]
    # A share of at most 0.05 by construction; more than 12 of 100 come up in
    # one of 700 cases (binomial), and the seeds are fixed.
    assert sum(not threshold.obstacle for threshold in found) <= 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_seeds": 1}, "one seed cannot tell"),
        ({"sizes": (8, 64)}, "takes three batch sizes"),
    ],
)
def test_too_little_data_are_said_to_be_so(options, said):
    found = Threshold.of(trainings(broken, **options), "test_accuracy")
    assert said in found.sentence("test accuracy")
