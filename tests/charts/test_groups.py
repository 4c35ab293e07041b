"""Numbers of groups of trainings, side by side."""

import pandas as pd
import pytest

from keras_sharpness.charts import group_chart

FRAME = pd.DataFrame(
    {
        "seed": [0, 1, 0, 1],
        "group": ["plain", "plain", "SAM", "SAM"],
        "test_accuracy": [0.90, 0.92, 0.93, 0.95],
        "eigenvalue_1": [1.0, 100.0, 2.0, 8.0],
        "nothing": [None] * 4,
    }
)
QUANTITIES = {
    "test_accuracy": "Test accuracy (%)",
    "eigenvalue_1": "Eigenvalue",
    "nothing": "Nothing",
}


def values_of(chart, panel, layer):
    """The rows that one layer of one panel draws."""
    return chart["datasets"][panel["layer"][layer]["data"]["name"]]


def test_points_and_means_of_each_group():
    chart = group_chart(FRAME, QUANTITIES, groups=["SAM", "plain"]).to_dict()
    accuracy, eigenvalue = chart["concat"]
    assert {r["value"] for r in values_of(chart, accuracy, 0)} == {
        90,
        92,
        93,
        95,
    }
    means = {r["group"]: r["value"] for r in values_of(chart, accuracy, 1)}
    assert means == pytest.approx({"plain": 91.0, "SAM": 94.0})
    # Positive numbers that are no shares: geometric, on a logarithmic axis.
    means = {r["group"]: r["value"] for r in values_of(chart, eigenvalue, 1)}
    assert means == pytest.approx({"plain": 10.0, "SAM": 4.0})
    x = eigenvalue["layer"][0]["encoding"]["x"]
    assert x["scale"]["type"] == "log"
    assert x["axis"]["title"] == "Eigenvalue, log scale"
    y = accuracy["layer"][0]["encoding"]["y"]
    assert y["sort"] == ["SAM", "plain"]
    assert "Test accuracy (%): SAM 94, plain 91." in chart["description"]


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="nothing to draw"):
        group_chart(FRAME, {"nothing": "Nothing"}, groups=["SAM"])
    with pytest.raises(ValueError, match="loss"):
        group_chart(FRAME, {"loss": "Loss"}, groups=["SAM"])
