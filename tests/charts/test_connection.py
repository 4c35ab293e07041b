"""The chart of a curve between two minima."""

import numpy as np
import pytest

from keras_sharpness.charts import connection_chart, themed, to_csv, to_png
from tests.charts.landscapes import connection
from tests.charts.results import marks, rows, subtitle


def test_line_and_curve_in_both_panels():
    spec = connection_chart(connection(), start_name="small").to_dict()
    assert len(spec["hconcat"]) == 2
    for style, peak in (("reference-line", 1.2), ("loss-line", 0.3)):
        loss, accuracy = marks(spec, "line", style)
        drawn = [row for row in rows(spec, loss) if row["data"] == "train"]
        assert max(row["loss"] for row in drawn) == pytest.approx(peak)
        assert loss["encoding"]["strokeDash"]["scale"]["domain"] == [
            "train",
            "test",
        ]
        assert accuracy["encoding"]["y"]["axis"]["title"] == "Accuracy (%)"
    assert loss["encoding"]["x"]["axis"]["title"] == "t  (0 = small, 1 = end)"


def test_paths_are_named_where_they_are_far_apart():
    spec = connection_chart(connection()).to_dict()
    labels = rows(spec, marks(spec, "text", "note-text")[0])
    assert {row["what"]: row["shown"] for row in labels} == {
        "straight line": pytest.approx(1.2),
        "Bézier curve": pytest.approx(0.3),
    }
    assert {row["t"] for row in labels} == {0.5}


def test_words():
    spec = connection_chart(connection(num_steps=9)).to_dict()
    text = subtitle(spec)
    assert "train 1 on the straight line, 0.1 on the Bézier curve;" in text
    assert "1.5 times as long" in text
    assert "Stopped after 5 of 9 steps." in text
    assert spec["title"]["text"] == ["A Bézier curve from start to end"]
    assert "at most 0.3 on the curve and 1.2 on the" in spec["description"]


def test_losses_that_cannot_be_drawn():
    bad = {"train": np.full(11, np.nan)}
    with pytest.raises(ValueError, match="finite"):
        connection_chart(connection(losses=bad, line_losses=bad))
    zero = {"train": np.zeros(11)}
    with pytest.raises(ValueError, match="positive"):
        connection_chart(connection(losses=zero, line_losses=zero), log=True)


def test_exports(compiled):
    one = connection(accuracies={}, line_accuracies={})
    assert "hconcat" in connection_chart(one).to_dict()
    chart = connection_chart(connection(curve="polygon"), log=True)
    assert "polygonal chain" in compiled(chart)
    assert to_png(themed(chart, "dark"), scale_factor=1)[1:4] == b"PNG"
    lines = to_csv(connection()).splitlines()
    assert lines[0] == "path,t,data,loss,accuracy"
    assert len(lines) == 1 + 4 * 11
