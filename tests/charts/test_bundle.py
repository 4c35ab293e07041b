"""The chart of a bundle of directions."""

import numpy as np
import pytest

from keras_sharpness.charts import bundle_chart, themed, to_csv, to_png
from tests.charts.landscapes import bundle
from tests.charts.results import marks, rows, subtitle


def test_thin_lines_and_their_median():
    spec = bundle_chart(bundle()).to_dict()
    thin, thick = marks(spec, "line", "loss-line")
    assert len(rows(spec, thin)) == 15
    assert thin["encoding"]["detail"]["field"] == "line"
    # The second of three parabolas.
    assert [row["loss"] for row in rows(spec, thick)] == [3, 1.5, 1, 1.5, 3]
    x = thin["encoding"]["x"]["axis"]["title"]
    assert x == "α  (filter-normalised random directions of L2 length 8.5)"
    assert "Thin lines: 3 directions; thick line" in subtitle(spec)


def test_a_panel_for_each_layer():
    spec = bundle_chart(bundle(("first", "first", "last"))).to_dict()
    titles = [panel["title"]["text"] for panel in spec["concat"]]
    assert titles == ["first", "last"]
    scales = {
        str(leaf["encoding"]["y"]["scale"])
        for leaf in marks(spec, "line", "loss-line")
    }
    assert len(scales) == 1  # the same axis in all panels


def test_one_colour_per_model():
    chart = bundle_chart({"small batch": bundle(), "large batch": bundle()})
    spec = chart.to_dict()
    for line in marks(spec, "line"):
        domain = line["encoding"]["color"]["scale"]["domain"]
        assert domain == ["small batch", "large batch"]
    assert "range" not in line["encoding"]["color"]["scale"]  # the theme's


def test_losses_beyond_the_axis_are_told():
    one = bundle()
    loss = one.losses["train"].copy()
    loss[2, 0], loss[2, 4] = 1e6, np.nan
    spec = bundle_chart(bundle(losses={"train": loss})).to_dict()
    text = subtitle(spec)
    assert "above it: 1 of 15 losses, the largest 1,000,000" in text
    assert "Not drawn: 1 of 15" in text
    finished = one.finished.copy()
    finished[1:] = False
    spec = bundle_chart(bundle(finished=finished)).to_dict()
    assert "Not complete: 10 of 15 points missing" in subtitle(spec)
    assert "at the ends the loss is 2" in spec["description"]


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ({}, {}, "nothing to draw"),
        (bundle(), {"data": "test"}, "data='test'"),
        (bundle(finished=np.zeros((3, 5), bool)), {}, "no evaluated point"),
        (bundle(losses={"train": np.zeros((3, 5))}), {"log": True}, "positive"),
        (bundle(losses={"train": np.full((3, 5), np.inf)}), {}, "finite"),
    ],
)
def test_what_cannot_be_drawn(argument, options, message):
    with pytest.raises(ValueError, match=message):
        bundle_chart(argument, **options)


def test_exports(compiled):
    layers = bundle_chart(bundle(("a", "b", "c")), log=True)
    assert "Loss along random directions" in compiled(layers)
    assert to_png(themed(layers, "dark"), scale_factor=1)[1:4] == b"PNG"
    head = to_csv(bundle()).splitlines()[0]
    assert head == "direction,group,length,alpha,data,loss,accuracy"
