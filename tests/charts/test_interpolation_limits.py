"""The chart of an interpolation: exploded losses, log scales, several seeds."""

import dataclasses

import numpy as np
import pytest

from keras_sharpness.charts import interpolation_chart
from tests.charts.results import (
    ALPHAS,
    interpolation,
    leaves,
    marks,
    rows,
    subtitle,
)


def spec_of(*arguments, **options):
    return interpolation_chart(*arguments, **options).to_dict()


def test_infinite_barrier_is_not_called_none():
    losses = {"train": np.where(ALPHAS == 0.5, np.inf, 1.0)}
    spec = spec_of(interpolation(losses, barriers={"train": np.inf}))
    assert "ends: not finite." in subtitle(spec)


def test_exploded_losses_are_cut_off_and_counted():
    losses = {"train": np.where(ALPHAS > 1.6, 1000.0 * ALPHAS, 1.0)}
    spec = spec_of(interpolation(losses))
    (line,) = marks(spec, "line", "loss-line")
    upper = line["encoding"]["y"]["scale"]["domain"][1]
    assert 15.0 <= upper < 100.0
    assert line["mark"]["clip"] is True
    (triangles,) = marks(spec, "point", "loss-point")
    assert triangles["mark"]["shape"] == "triangle-up"
    drawn = rows(spec, triangles)
    assert [row["alpha"] for row in drawn] == list(ALPHAS[ALPHAS > 1.6])
    assert all(row["shown"] == upper for row in drawn)
    assert (
        f"The loss axis ends at {upper:g}; above it: 4 of 25 losses, the "
        "largest 2,000." in subtitle(spec)
    )


def test_ordinary_losses_are_not_cut_off():
    """F1 in the paper: 0.04 between the minima, 11 beyond."""
    losses = {"train": np.where(ALPHAS > 1.6, 11.0, 0.04)}
    spec = spec_of(interpolation(losses))
    (line,) = marks(spec, "line", "loss-line")
    assert line["encoding"]["y"]["scale"]["domain"] == [0.0, 12.0]
    assert "axis ends" not in subtitle(spec)


def test_high_barrier_is_never_cut_off():
    losses = {"train": np.where(ALPHAS == 0.5, 1e4, 1.0)}
    spec = spec_of(interpolation(losses))
    (line,) = marks(spec, "line", "loss-line")
    assert line["encoding"]["y"]["scale"]["domain"][1] >= 1e4


def test_losses_that_are_not_finite():
    losses = np.ones(25)
    losses[-1], losses[-2], losses[0] = np.inf, 1e30, np.nan
    spec = spec_of(interpolation({"train": losses}))
    (line,) = marks(spec, "line", "loss-line")
    drawn = [row["shown"] for row in rows(spec, line)]
    assert drawn[0] is None
    # Beyond the axis, but within what a renderer can place.
    assert all(100.0 < value < 1e6 for value in drawn[-2:])
    assert "above it: 2 of 25 losses, the largest ∞." in subtitle(spec)
    assert "Not drawn: 1 of 25 losses, not a number." in subtitle(spec)


def test_logarithmic_loss():
    losses = {"train": 10.0 ** (ALPHAS * 2), "test": np.zeros(25)}
    spec = spec_of(interpolation(losses), log_loss=True)
    (line,) = marks(spec, "line", "loss-line")
    y = line["encoding"]["y"]
    assert y["scale"]["type"] == "log"
    assert y["axis"]["title"] == "Cross-entropy loss (log scale)"
    lower, upper = y["scale"]["domain"]
    assert 0 < lower < 0.01
    assert upper > 10_000
    assert y["axis"]["values"] == [0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4]
    (triangles,) = marks(spec, "point", "loss-point")
    assert len(rows(spec, triangles)) == 25
    assert "At the bottom of the axis: 25 of 50 losses" in subtitle(spec)


def test_grid_lines_serve_both_axes():
    for largest in (0.07, 0.3, 1.25, 7.5, 11.3, 240.0):
        losses = {"train": np.linspace(0.0, largest, 25)}
        accuracies = {"train": np.linspace(0.0, 1.0, 25)}
        spec = spec_of(interpolation(losses, accuracies))
        ticks = [
            np.array(line["encoding"]["y"]["axis"]["values"])
            for line in marks(spec, "line")
        ]
        # Rounding of the division.
        np.testing.assert_allclose(
            ticks[0] / ticks[0][-1], ticks[1] / 100.0, rtol=1e-12
        )


def test_seeds_are_thin_lines_around_their_median():
    runs = {}
    for seed in range(3):
        losses = {"train": np.full(25, 1.0 + seed**2)}
        accuracies = {"train": np.full(25, 0.9)}
        runs[f"seed {seed}"] = interpolation(
            losses, accuracies, {"train": 0.1 * seed}, distance=9.0 + seed
        )
    spec = spec_of(runs)
    thin, thick = marks(spec, "line", "loss-line")
    assert thin["encoding"]["detail"]["field"] == "run"
    assert thin["mark"]["strokeWidth"] < thick["mark"]["strokeWidth"]
    assert len(rows(spec, thin)) == 75
    # 1, 2, 5.
    assert [row["shown"] for row in rows(spec, thick)] == [2.0] * 25
    assert "Thin lines: 3 runs; thick lines: their median." in subtitle(spec)
    assert "ends: 0 to 0.2." in subtitle(spec)
    title = thin["encoding"]["x"]["axis"]["title"][0]
    assert "L2 distance 9 to 11" in title


def test_seeds_with_other_alphas_have_no_median():
    runs = {
        "a": interpolation(),
        "b": interpolation(alphas=np.linspace(0.0, 1.0, 9)),
    }
    spec = spec_of(runs)
    assert len(marks(spec, "line", "loss-line")) == 1
    assert "2 runs, each with its own α." in subtitle(spec)


def test_median_counts_a_diverged_seed_as_bad():
    runs = {
        name: interpolation({"train": np.full(25, loss)})
        for name, loss in (("a", 1.0), ("b", 3.0), ("c", np.nan))
    }
    _, thick = marks(spec_of(runs), "line", "loss-line")
    assert rows(spec_of(runs), thick)[0]["shown"] == 3.0


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: {}, r"ks\.interpolate"),
        (lambda: interpolation({"train": np.ones(0)}, alphas=[]), "empty"),
        (lambda: interpolation({"train": np.full(25, np.nan)}), "alphas="),
        (
            lambda: {"a": interpolation(), "b": interpolation(loss="mse")},
            "one chart for each",
        ),
    ],
)
def test_refuses_what_cannot_be_drawn(make, remedy):
    with pytest.raises(ValueError, match=remedy) as error:
        interpolation_chart(make())
    assert "\n" not in str(error.value)


def test_refuses_a_logarithm_of_nothing():
    zero = interpolation({"train": np.zeros(25)})
    with pytest.raises(ValueError, match="log_loss=False"):
        interpolation_chart(zero, log_loss=True)


def test_a_single_point_and_negative_losses_can_be_drawn():
    point = interpolation({"train": np.ones(1)}, alphas=[0.5])
    assert leaves(spec_of(point))
    negative = dataclasses.replace(
        interpolation(), losses={"train": -np.ones(25)}
    )
    (line,) = marks(spec_of(negative), "line", "loss-line")
    lower, upper = line["encoding"]["y"]["scale"]["domain"]
    assert lower < -1.0 < upper
