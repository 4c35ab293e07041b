"""Charts that only the explorer draws."""

import numpy as np
import pandas as pd
import pytest
from figures.brush import brushed, inside
from figures.epochs import epochs_chart
from figures.relative import relative_chart

from keras_sharpness.charts import sharpness_chart, to_svg
from tests.explorer.driving import points


@pytest.fixture
def rows():
    return pd.DataFrame(
        {
            "minimum": ["a", "a", "b", "b"],
            "group": ["a", "a", "b", "b"],
            "quantity": ["trace", "λ₁", "trace", "λ₁"],
            "value": [2.0, 1.0, 4.0, np.nan],
            "ratio": [1.0, 1.0, 2.0, np.nan],
        }
    )


def test_relative_draws_what_is_known(rows):
    chart = relative_chart(rows, reference="a", groups=["a", "b"]).to_dict()
    drawn = {(p["minimum"], p["quantity"]): p["ratio"] for p in points(chart)}
    assert drawn == {("a", "trace"): 1, ("a", "λ₁"): 1, ("b", "trace"): 2}
    assert all(p["shown"] for p in points(chart))
    assert "b, trace: 2" in chart["description"]


def test_relative_fades_what_is_not_chosen(rows):
    chart = relative_chart(
        rows, reference="a", groups=["a", "b"], highlighted=["b"]
    ).to_dict()
    assert {p["minimum"]: p["shown"] for p in points(chart)} == {
        "a": False,
        "b": True,
    }


def test_relative_of_nothing_is_refused(rows):
    with pytest.raises(ValueError, match="what is missing"):
        relative_chart(rows.iloc[:0], reference="a", groups=[])


@pytest.mark.parametrize(("values", "log"), [([1, 5], True), ([-1, 5], False)])
def test_epochs(values, log):
    rows = pd.DataFrame(
        {"run": "r", "group": "g", "epoch": [1, 2], "value": values}
    )
    chart = epochs_chart(rows, quantity="epsilon_sharpness", groups=["g"])
    assert ("log scale" in to_svg(chart)) == log
    with pytest.raises(ValueError, match="finite"):
        epochs_chart(rows.assign(value=np.nan), quantity="trace", groups=["g"])


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "seed": [0, 0, 0, 0],
            "batch": ["small", "large"] * 2,
            "test_accuracy": [0.98, 0.97] * 2,
            "sharpness": [1.0, 200.0, 0.5, 90.0],
            "epsilon": [1e-3, 1e-3, 5e-4, 5e-4],
            "space": "full",
        }
    )


def test_every_panel_has_a_brush(frame):
    chart, names = brushed(sharpness_chart(frame))
    assert names == ["brush_0", "brush_1"]
    assert [p["name"] for p in chart.to_dict()["params"]] == names
    assert to_svg(chart).startswith("<svg")


def test_a_box_chooses_the_runs_of_its_panel(frame):
    names = ["brush_0", "brush_1"]
    assert inside(frame, {}, names).empty
    box = {"brush_1": {"x": [300.0, 10.0], "y": [96.0, 97.5]}}
    chosen = inside(frame, box, names)
    assert list(chosen["sharpness"]) == [90.0]
