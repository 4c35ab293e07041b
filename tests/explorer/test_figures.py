"""Charts that only the explorer draws."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import vl_convert
from figures.brush import brushed, inside
from figures.ends import with_ends
from figures.epochs import epochs_chart
from figures.relative import relative_chart

from keras_sharpness.charts import (
    interpolation_chart,
    sharpness_chart,
    to_svg,
)
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics import Objective
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


def test_a_path_tells_which_minimum_is_near():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    objective = Objective(model, np.eye(2), np.ones((2, 1)), loss="mse")
    line = interpolate(
        objective, np.zeros(3), np.ones(3), alphas=np.linspace(-0.1, 1.1, 13)
    )
    plain = interpolation_chart(line, start_name="it's", end_name="b")
    chart = with_ends(plain, "it's", "b")
    spec = chart.to_dict()
    band = spec["layer"][-1]
    tooltip = band["encoding"]["tooltip"]
    assert tooltip[0] == {"field": "place", "title": "where", "type": "nominal"}
    assert tooltip[1:] == plain.to_dict()["layer"][-1]["encoding"]["tooltip"]
    # The words as text, so that they can be read.
    text = {"text": {"field": "place"}, "y": {"field": "alpha"}}
    spec = {**spec, **band, "mark": "text", "encoding": text}
    for name in ("layer", "params", "resolve"):
        del spec[name]
    svg = vl_convert.vegalite_to_svg(spec)
    words = re.findall(r"; place: ([^\"]*)\"", svg)
    between = ["between it's and b"] * 9
    assert words == [
        "beyond it's",
        "it's",
        *between,
        "b",
        "beyond b",
    ]


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
