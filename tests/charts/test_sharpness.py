"""The chart of test accuracy against sharpness."""

import pandas as pd
import pytest

from keras_sharpness.charts import sharpness_chart
from tests.charts.results import marks, rows, subtitle


def frame(**constants):
    records = [
        {
            "seed": seed,
            "batch": batch,
            "batch_size": size,
            "test_accuracy": 0.98 - 0.001 * size / 32 - 0.0001 * seed,
            "sharpness": size / 8 + seed,
            **constants,
        }
        for seed in range(3)
        for batch, size in (("small", 32), ("large", 400))
    ]
    return pd.DataFrame(records)


def test_points_with_both_titles_and_units():
    spec = sharpness_chart(frame()).to_dict()
    (points,) = marks(spec, "point")
    x, y = points["encoding"]["x"], points["encoding"]["y"]
    assert x["axis"]["title"] == "ε-sharpness φ (%, log scale)"
    assert x["scale"]["type"] == "log"
    assert y["axis"]["title"] == "Test accuracy (%)"
    drawn = rows(spec, points)
    assert [row["x"] for row in drawn] == [4.0, 50.0, 5.0, 51.0, 6.0, 52.0]
    assert drawn[0]["y"] == pytest.approx(97.9)
    assert spec["title"]["text"] == ["Test accuracy against ε-sharpness φ"]


def test_all_points_lie_inside_the_axes():
    spec = sharpness_chart(frame()).to_dict()
    (points,) = marks(spec, "point")
    for channel in ("x", "y"):
        low, high = points["encoding"][channel]["scale"]["domain"]
        values = [row[channel] for row in rows(spec, points)]
        assert low <= min(values) < max(values) <= high


def test_colour_and_shape_are_the_batch():
    (points,) = marks(sharpness_chart(frame()).to_dict(), "point")
    domain = ["small batch 32", "large batch 400"]
    assert points["encoding"]["color"]["scale"]["domain"] == domain
    assert points["encoding"]["shape"]["scale"] == {
        "domain": domain,
        "range": ["circle", "square"],
    }


def test_large_batches_alone_keep_their_colour():
    large = frame()[lambda f: f["batch"] == "large"]
    (points,) = marks(sharpness_chart(large).to_dict(), "point")
    color = points["encoding"]["color"]
    assert color["scale"]["domain"][1] == "large batch 400"
    assert color["legend"]["values"] == ["large batch 400"]


def test_thin_lines_join_the_pair_of_a_seed():
    spec = sharpness_chart(frame()).to_dict()
    (line,) = marks(spec, "line")
    assert line["encoding"]["detail"]["field"] == "seed"
    assert line["mark"]["strokeWidth"] == 1
    unpaired = sharpness_chart(frame().drop(columns="seed")).to_dict()
    assert not marks(unpaired, "line")


def test_one_panel_for_each_epsilon_and_space():
    several = pd.concat(
        [
            frame(epsilon=epsilon, space=space)
            for epsilon in (1e-3, 5e-4)
            for space in ("full", "subspace")
        ]
    )
    spec = sharpness_chart(several).to_dict()
    assert [panel["title"]["text"] for panel in spec["concat"]] == [
        "ε = 0.001, full space",
        "ε = 0.001, random subspace",
        "ε = 0.0005, full space",
        "ε = 0.0005, random subspace",
    ]
    assert all(len(rows(spec, points)) == 6 for points in marks(spec, "point"))
    heights = {
        tuple(points["encoding"]["y"]["scale"]["domain"])
        for points in marks(spec, "point")
    }
    assert len(heights) == 1
    assert "own horizontal axis" in subtitle(spec)


def test_one_epsilon_stands_in_the_subtitle():
    spec = sharpness_chart(frame(epsilon=1e-3, space="full")).to_dict()
    assert len(spec["concat"]) == 1
    assert subtitle(spec).startswith("ε = 0.001, full space.")
    assert "lower bound" in subtitle(spec)


def test_pointer_reads_values():
    spec = sharpness_chart(frame(epsilon=1e-3, space="full")).to_dict()
    (points,) = marks(spec, "point")
    assert [item["title"] for item in points["encoding"]["tooltip"]] == [
        "batch",
        "seed",
        "epsilon",
        "space",
        "ε-sharpness φ (%)",
        "Test accuracy (%)",
    ]


def test_a_sharpness_of_zero_makes_the_axis_linear():
    zero = frame()
    zero.loc[0, "sharpness"] = 0.0
    (points,) = marks(sharpness_chart(zero).to_dict(), "point")
    assert points["encoding"]["x"]["scale"]["type"] == "linear"
    assert "log" not in points["encoding"]["x"]["axis"]["title"]


def test_values_that_are_missing_are_counted():
    missing = frame()
    missing.loc[0, "sharpness"] = float("nan")
    spec = sharpness_chart(missing).to_dict()
    (points,) = marks(spec, "point")
    assert len(rows(spec, points)) == 5
    assert "Not drawn: 1 without a value." in subtitle(spec)


def test_other_columns():
    other = frame().rename(columns={"sharpness": "hessian_trace"})
    spec = sharpness_chart(
        other, x="hessian_trace", color="batch_size"
    ).to_dict()
    (points,) = marks(spec, "point")
    assert points["encoding"]["x"]["axis"]["title"] == "Hessian trace"
    assert points["encoding"]["color"]["scale"]["domain"] == [
        "small batch 32",
        "large batch 400",
    ]


def test_the_frame_stays_as_it_is():
    given = frame()
    sharpness_chart(given)
    pd.testing.assert_frame_equal(given, frame())


def test_compiles_without_warnings(capfd, compiled):
    both = pd.concat([frame(epsilon=1e-3), frame(epsilon=5e-4)])
    assert "large batch 400" in compiled(sharpness_chart(both))
    assert "WARN" not in capfd.readouterr().err


def test_description_has_numbers():
    text = sharpness_chart(frame()).to_dict()["description"]
    assert "small batch 32: 3 runs, from 4 to 6 across" in text


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: frame()[:0], "one row per run"),
        (lambda: frame().drop(columns="batch"), "no column 'batch'"),
        (lambda: frame().assign(sharpness=float("nan")), "Measure again"),
        (lambda: frame().assign(test_accuracy=98.0), "Divide percent by 100"),
    ],
)
def test_refuses_what_cannot_be_drawn(make, remedy):
    with pytest.raises(ValueError, match=remedy) as error:
        sharpness_chart(make())
    assert "\n" not in str(error.value)
