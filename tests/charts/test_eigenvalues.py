"""The chart of the largest eigenvalues."""

import pandas as pd
import pytest

from keras_sharpness.charts import eigenvalue_chart
from tests.charts.results import marks, rows, subtitle


def frame(lowest=1.0):
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "batch": batch,
                "batch_size": size,
                "eigenvalue": value * size / 32,
                "residual": 1e-3,
                "converged": True,
            }
            for seed in range(2)
            for batch, size in (("small", 32), ("large", 400))
            for value in (4.0, 2.0, lowest)
        ]
    )


def test_one_column_of_points_per_run():
    spec = eigenvalue_chart(frame()).to_dict()
    (points,) = marks(spec, "point")
    encoding = points["encoding"]
    assert encoding["x"]["field"] == "kind"
    assert encoding["x"]["scale"]["domain"] == [
        "small batch 32",
        "large batch 400",
    ]
    assert encoding["xOffset"]["field"] == "seed"
    assert encoding["y"]["axis"]["title"] == "Eigenvalue λ (log scale)"
    assert encoding["y"]["scale"]["type"] == "log"
    low, high = encoding["y"]["scale"]["domain"]
    assert low < 1.0
    assert high > 50.0
    assert [row["eigenvalue"] for row in rows(spec, points)][:3] == [4, 2, 1]


def test_largest_of_each_run_stands_out():
    spec = eigenvalue_chart(frame()).to_dict()
    (points,) = marks(spec, "point")
    drawn = rows(spec, points)
    assert [row["top"] for row in drawn] == [True, False, False] * 4
    assert [row["place"] for row in drawn] == [1, 2, 3] * 4
    scale = points["encoding"]["size"]["scale"]
    assert scale["domain"] == [True, False]
    assert scale["range"][0] > scale["range"][1]


def test_negative_values_make_the_axis_linear_around_zero():
    spec = eigenvalue_chart(frame(lowest=-1.0)).to_dict()
    (points,) = marks(spec, "point")
    y = points["encoding"]["y"]
    assert y["scale"]["type"] == "linear"
    assert y["axis"]["title"] == "Eigenvalue λ"
    (rule,) = marks(spec, "rule")
    assert rows(spec, rule) == [{"eigenvalue": 0.0}]
    # -1 and 4 times 400 / 32.
    low, high = y["scale"]["domain"]
    assert low <= -12.5
    assert high >= 50.0


def test_what_has_not_converged_is_hollow_and_counted():
    given = frame()
    given.loc[[1, 4], "converged"] = False
    spec = eigenvalue_chart(given).to_dict()
    (points,) = marks(spec, "point")
    assert points["encoding"]["fillOpacity"]["scale"] == {
        "domain": [True, False],
        "range": [1, 0],
    }
    assert "Hollow: 2 of 12 eigenvalues, not converged." in subtitle(spec)


def test_only_two_columns_are_needed():
    least = frame()[["batch", "eigenvalue"]]
    spec = eigenvalue_chart(least).to_dict()
    (points,) = marks(spec, "point")
    titles = [item["title"] for item in points["encoding"]["tooltip"]]
    assert titles == ["batch", "rank", "eigenvalue", "converged"]
    assert points["encoding"]["x"]["scale"]["domain"] == [
        "small batch",
        "large batch",
    ]


def test_description_has_numbers():
    text = eigenvalue_chart(frame()).to_dict()["description"]
    assert (
        "large batch 400: the largest of each run lies between 50 and 50"
        in text
    )


def test_values_that_are_not_finite_are_counted():
    given = frame()
    given.loc[0, "eigenvalue"] = float("inf")
    spec = eigenvalue_chart(given).to_dict()
    assert "Not drawn: 1 that are not finite." in subtitle(spec)


@pytest.mark.parametrize("lowest", [1.0, -1.0])
def test_compiles_without_warnings(lowest, capfd, compiled):
    assert "large batch 400" in compiled(eigenvalue_chart(frame(lowest)))
    assert "WARN" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: frame()[:0], "one row per run"),
        (lambda: frame().drop(columns="eigenvalue"), "no column 'eigenvalue'"),
        (lambda: frame().assign(eigenvalue=float("nan")), "Measure again"),
    ],
)
def test_refuses_what_cannot_be_drawn(make, remedy):
    with pytest.raises(ValueError, match=remedy) as error:
        eigenvalue_chart(make())
    assert "\n" not in str(error.value)
