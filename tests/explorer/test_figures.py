"""What the explorer adds to charts."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import vl_convert
from figures import brushed, inside, with_ends

from keras_sharpness.charts import (
    interpolation_chart,
    sharpness_chart,
    to_svg,
)
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics import Objective


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
