"""Charts and results as files."""

import csv
import io
import re
import struct
import threading

import altair as alt
import numpy as np
import pandas as pd
import pytest
from altair.utils.schemapi import SchemaValidationError

from keras_sharpness.charts import (
    interpolation_chart,
    themed,
    to_csv,
    to_png,
    to_svg,
)
from tests.charts.results import interpolation


@pytest.fixture(scope="module")
def chart():
    return interpolation_chart(interpolation(), start_name="A", end_name="B")


def size_of(png):
    """Width and height in the header of a PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png[12:16] == b"IHDR"
    return struct.unpack(">II", png[16:24])


def test_svg(chart):
    svg = to_svg(chart)
    assert svg.startswith("<svg")
    assert svg.rstrip().endswith("</svg>")
    assert "Loss and accuracy from A to B" in svg
    assert "Accuracy (%)" in svg


def test_the_same_chart_is_the_same_svg(chart):
    # A legend of continuous colour is a gradient, and an axis a clip path.
    squares = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "loss": [0.0, 1.0]}))
        .mark_point(clip=True)
        .encode(x="x:Q", color="loss:Q")
    )
    assert "url(#gradient_" in to_svg(squares)
    for one in (chart, squares):
        assert to_svg(one) == to_svg(one)


def test_svg_has_the_look_of_the_chart(chart):
    assert 'fill="#FFFFFF"' in to_svg(chart)
    assert 'fill="#0E1117"' in to_svg(themed(chart, "dark"))


def test_png_size_follows_the_scale_factor(chart):
    width, height = map(
        float, re.search(r'viewBox="0 0 (\S+) (\S+)"', to_svg(chart)).groups()
    )
    for options, factor in (({}, 2), ({"scale_factor": 1}, 1)):
        # Rounded to whole pixels.
        assert size_of(to_png(chart, **options)) == pytest.approx(
            (factor * width, factor * height), abs=1.0
        )


def test_csv_has_every_digit():
    result = interpolation()
    text = to_csv(result)
    assert text.splitlines()[0] == "alpha,data,loss,accuracy"
    read = list(csv.DictReader(io.StringIO(text)))
    for name in ("alpha", "loss", "accuracy"):
        # Every bit.
        assert [float(row[name]) for row in read] == list(
            result.to_frame()[name]
        )
    assert to_csv(result.to_frame()) == text


def long_chart(rows=5002):
    frame = pd.DataFrame(
        {
            "x": np.arange(rows, dtype=float),
            "when": pd.date_range("2024-01-01", periods=rows),
            "kind": ["a", "b"] * (rows // 2),
        }
    )
    return alt.Chart(frame).mark_point().encode(x="x:Q", y="when:T")


def transformers():
    registry = alt.data_transformers
    return registry.active, dict(registry.options)


def test_more_rows_than_altair_allows():
    chart = long_chart()
    with pytest.raises(alt.MaxRowsError):
        chart.to_dict()
    before = transformers()
    # One path per point and the background's and axes' own.
    assert to_svg(chart).count("<path") > 5002
    assert transformers() == before
    assert isinstance(chart.data, pd.DataFrame)


@pytest.mark.parametrize(
    "combine",
    [
        lambda c: c + c.mark_line(),
        lambda c: c | c,
        lambda c: c & (c | c),
        lambda c: alt.concat(c, c),
        lambda c: c.facet("kind:N"),
        lambda c: c.repeat(["x", "when"]),
    ],
)
def test_parts_of_compound_charts_too(combine):
    assert "<path" in to_svg(combine(long_chart()))


def test_a_failed_export_changes_nothing_global():
    before = transformers(), alt.theme.active
    broken = long_chart().encode(x=alt.X("x:Q", scale={"type": "no such"}))
    with pytest.raises(SchemaValidationError):
        to_svg(broken)
    assert (transformers(), alt.theme.active) == before


def test_exports_ignore_what_other_threads_do_to_the_registry():
    """Streamlit installs its own transformer while it draws."""

    def elsewhere(data):
        return {"name": "somewhere else"}

    alt.data_transformers.register("elsewhere", elsewhere)
    chart = long_chart(rows=10)
    expected = to_svg(chart)
    found = []
    with alt.data_transformers.enable("elsewhere"):
        thread = threading.Thread(target=lambda: found.append(to_svg(chart)))
        thread.start()
        thread.join()
    alt.data_transformers.register("elsewhere", None)
    assert found == [expected]


def test_own_charts_have_no_limit_of_rows():
    many = {f"seed {n}": interpolation() for n in range(101)}
    assert interpolation_chart(many).to_dict()["$schema"]


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: to_svg("chart"), "interpolation_chart"),
        (lambda: to_png(interpolation()), "interpolation_chart"),
        (lambda: to_png(long_chart(2), scale_factor=0), "scale_factor=2"),
        (lambda: to_csv(pd.DataFrame({"loss": []})), "Pass a result"),
        (lambda: to_csv(long_chart(2)), "Pass the result"),
    ],
)
def test_refuses(call, remedy):
    with pytest.raises(ValueError, match=remedy) as error:
        call()
    assert "\n" not in str(error.value)
