"""The chart of loss and accuracy between two minima."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.charts import interpolation_chart, to_svg
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


def test_loss_left_accuracy_right_with_scales_of_their_own():
    spec = spec_of(interpolation())
    assert spec["resolve"] == {"scale": {"y": "independent"}}
    (loss,) = marks(spec, "line", "loss-line")
    (accuracy,) = marks(spec, "line", "accuracy-line")
    left, right = loss["encoding"]["y"], accuracy["encoding"]["y"]
    assert (left["axis"]["orient"], right["axis"]["orient"]) == (
        "left",
        "right",
    )
    assert left["axis"]["title"] == "Cross-entropy loss"
    assert right["axis"]["title"] == "Accuracy (%)"
    assert right["scale"]["domain"] == [0.0, 100.0]
    # The largest loss is 1.25.
    assert left["scale"]["domain"] == [0.0, 1.25]
    assert left["scale"]["type"] == "linear"


def test_axis_titles_have_the_colours_of_their_lines():
    spec = spec_of(interpolation())
    style = spec["config"]["style"]
    (loss,) = marks(spec, "line", "loss-line")
    assert loss["encoding"]["y"]["axis"]["style"] == "loss-axis"
    assert style["loss-line"]["color"] == style["loss-axis"]["titleColor"]
    (accuracy,) = marks(spec, "line", "accuracy-line")
    assert accuracy["encoding"]["y"]["axis"]["style"] == "accuracy-axis"


def test_every_value_is_drawn_with_accuracy_in_percent():
    result = interpolation()
    spec = spec_of(result)
    for style, values, factor in (
        ("loss-line", result.losses, 1.0),
        ("accuracy-line", result.accuracies, 100.0),
    ):
        (line,) = marks(spec, "line", style)
        for name, expected in values.items():
            drawn = [row for row in rows(spec, line) if row["data"] == name]
            assert [row["alpha"] for row in drawn] == list(ALPHAS)
            # One multiplication by 100.
            np.testing.assert_allclose(
                [row["shown"] for row in drawn], factor * expected, rtol=1e-15
            )


def test_train_solid_test_dashed():
    spec = spec_of(interpolation())
    for line in marks(spec, "line"):
        dash = line["encoding"]["strokeDash"]
        assert dash["field"] == "data"
        assert dash["scale"] == {
            "domain": ["train", "test"],
            "range": [[1, 0], [6, 4]],
        }


def test_one_data_set_needs_no_legend():
    losses = {"data": np.linspace(1.0, 0.2, 25)}
    spec = spec_of(interpolation(losses, loss="mean_squared_error"))
    (line,) = marks(spec, "line")
    assert line["encoding"]["strokeDash"]["legend"] is None
    title = line["encoding"]["y"]["axis"]["title"]
    assert title == "Loss (mean squared error)"
    assert not marks(spec, "line", "accuracy-line")
    assert spec["title"]["text"] == ["Loss from start to end"]


def test_horizontal_axis_says_what_alpha_is():
    spec = spec_of(
        interpolation(), start_name="small batch 32", end_name="large batch 400"
    )
    x = marks(spec, "line", "loss-line")[0]["encoding"]["x"]
    assert x["axis"]["title"] == [
        "α  (0 = small batch 32, 1 = large batch 400; L2 distance 12.3)"
    ]
    assert x["scale"]["domain"] == [-1.0, 2.0]
    assert spec["title"]["text"] == [
        "Loss and accuracy from small batch 32 to large batch 400"
    ]


def test_curvilinear_path_is_named():
    spec = spec_of(interpolation(path="curvilinear"))
    title = marks(spec, "line")[0]["encoding"]["x"]["axis"]["title"]
    assert title[1] == "curvilinear path: cos(απ/2) start + sin(απ/2) end"


def test_minima_are_marked_and_named():
    spec = spec_of(interpolation(), start_name="A", end_name="B")
    rules = marks(spec, "rule", "reference-line")
    assert [rows(spec, rule)[0]["alpha"] for rule in rules] == [0.0, 1.0]
    names = marks(spec, "text", "reference-text")
    assert [rows(spec, text)[0]["name"] for text in names] == ["A", "B"]
    # Away from each other, so they never overlap.
    assert [text["mark"]["align"] for text in names] == ["right", "left"]


def test_names_turn_inward_where_the_plot_ends():
    alphas = np.linspace(0.0, 1.0, 5)
    spec = spec_of(interpolation(alphas=alphas))
    names = marks(spec, "text", "reference-text")
    assert [text["mark"]["align"] for text in names] == ["left", "right"]


def test_minima_out_of_sight_are_not_marked():
    spec = spec_of(interpolation(alphas=np.linspace(0.25, 2.0, 8)))
    rules = marks(spec, "rule", "reference-line")
    assert [rows(spec, rule)[0]["alpha"] for rule in rules] == [1.0]


def test_long_names_are_cut():
    spec = spec_of(interpolation(), start_name="a" * 500)
    (start, _) = marks(spec, "text", "reference-text")
    assert len(rows(spec, start)[0]["name"]) < 30
    assert all(len(line) < 80 for line in spec["title"]["text"])


def test_barrier_is_drawn_and_told():
    spec = spec_of(interpolation())
    (bracket,) = marks(spec, "rule", "loss-line")
    (row,) = rows(spec, bracket)
    # The hump of height 0.5 stands on a chord at 0.
    assert (row["alpha"], row["shown"], row["high"]) == (0.5, 0.0, 0.5)
    (text,) = marks(spec, "text", "note-text")
    assert rows(spec, text)[0]["text"] == "barrier 0.5"
    assert "ends: train 0.5, test 0.5." in subtitle(spec)


def test_no_barrier_is_told_too():
    losses = {"train": (ALPHAS - 0.5) ** 2}
    # What rounding leaves of a straight line is no barrier.
    spec = spec_of(interpolation(losses, barriers={"train": 1e-9}))
    assert not marks(spec, "rule", "loss-line")
    assert "No loss barrier" in subtitle(spec)


def test_pointer_reads_all_values():
    spec = spec_of(interpolation())
    (band,) = marks(spec, "rect")
    titles = [item["title"] for item in band["encoding"]["tooltip"]]
    assert titles == [
        "α",
        "train loss",
        "test loss",
        "train accuracy",
        "test accuracy",
    ]
    row = next(row for row in rows(spec, band) if row["alpha"] == 0.5)
    assert [row[f"loss_{i}"] for i in (0, 1)] == ["0.5", "0.75"]
    assert [row[f"accuracy_{i}"] for i in (0, 1)] == ["80 %", "70 %"]
    edges = rows(spec, band)
    assert [row["right"] for row in edges[:-1]] == [
        row["left"] for row in edges[1:]
    ]


def test_says_everything_to_who_cannot_see_it():
    text = spec_of(interpolation(), start_name="A", end_name="B")["description"]
    assert text.startswith("Line chart. Loss and accuracy from A to B, α from")
    assert "At α = 0, A: train loss 0 and accuracy 100 %, test loss" in text
    assert "Loss barrier" in text


def test_what_interpolate_returns_can_be_drawn():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2, activation="softmax")]
    )
    x, y = np.eye(2, dtype="float32"), np.array([0, 1])
    loss = "sparse_categorical_crossentropy"
    objective = ks.Objective(model, x, y, loss=loss)
    result = ks.interpolate(
        {"train": objective, "test": objective},
        np.zeros(6),
        model,
        alphas=np.linspace(-1.0, 2.0, 7),
    )
    chart = interpolation_chart(result, start_name="zero", end_name="random")
    (line,) = marks(chart.to_dict(), "line", "loss-line")
    drawn = [row["shown"] for row in rows(chart.to_dict(), line)]
    # As in the result, which is not changed on its way.
    np.testing.assert_array_equal(drawn[:7], result.losses["train"])
    svg = to_svg(chart)
    assert "zero" in svg
    assert "Cross-entropy loss" in svg


@pytest.mark.parametrize("log_loss", [False, True])
def test_compiles_without_warnings(log_loss, capfd, compiled):
    compiled(interpolation_chart(interpolation(), log_loss=log_loss))
    compiled(
        interpolation_chart(
            {"a": interpolation(), "b": interpolation()}, log_loss=log_loss
        )
    )
    assert "WARN" not in capfd.readouterr().err


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
