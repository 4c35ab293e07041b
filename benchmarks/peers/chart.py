"""The results as a chart: how many times as long as ours each peer takes."""

import altair as alt
import pandas as pd
import table
from settings import CASES, LIBRARIES, OURS, ROWS

from keras_sharpness.charts import themed, to_png, to_svg

PEERS = [library for library in LIBRARIES if library != OURS]


def write(record, out):
    """The chart as `out`.svg and `out`.png."""
    drawn = themed(draw(record))
    out.with_suffix(".svg").write_text(to_svg(drawn))
    out.with_suffix(".png").write_bytes(to_png(drawn))


def draw(record):
    """Rows of the table against the time in units of ours, by network."""
    own = {
        (cell["network"], cell["row"]): cell.get("seconds")
        for cell in record["rows"]
        if cell["library"] == OURS
    }
    points = pd.DataFrame(
        [
            {
                "network": CASES[cell["network"]].title,
                "row": ROWS[cell["row"]].title,
                "library": cell["library"],
                "ratio": cell["seconds"] / own[cell["network"], cell["row"]],
            }
            for cell in record["rows"]
            if cell["library"] != OURS
            and "seconds" in cell
            and own[cell["network"], cell["row"]]
            and table.is_accurate(cell)
        ]
    )
    titles = [row.title for row in ROWS.values()]
    panels = [
        _panel(
            points[points["network"] == network],
            network,
            [title for title in titles if title in set(points["row"])],
            [
                min(0.5, points["ratio"].min() / 1.1),
                max(2.0, points["ratio"].max() * 1.1),
            ],
            is_first=place % 2 == 0,
        )
        for place, network in enumerate(points["network"].unique())
    ]
    rows = [
        alt.hconcat(*panels[place : place + 2], spacing=24)
        for place in range(0, len(panels), 2)
    ]
    return alt.vconcat(*rows, spacing=24).properties(
        title=alt.Title(
            "Time of other libraries, in units of ours",
            subtitle="The line is keras_sharpness; to its right a peer takes "
            f"longer. {record['threads']} threads, float32, medians.",
        )
    )


def _panel(points, network, titles, domain, *, is_first):
    x = alt.X(
        "ratio:Q",
        title="times as long as keras_sharpness",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(
            values=[0.25, 0.5, 1, 2, 4, 8, 16, 32],
            format="~g",
            grid=True,
        ),
    )
    y = alt.Y(
        "row:N",
        sort=titles,
        scale=alt.Scale(domain=titles),
        title=None,
        axis=alt.Axis(labelLimit=260, labels=is_first, grid=True),
    )
    color = alt.Color("library:N", title=None, scale=alt.Scale(domain=PEERS))
    shape = alt.Shape("library:N", title=None, scale=alt.Scale(domain=PEERS))
    line = (
        alt.Chart(pd.DataFrame({"ratio": [1.0]}))
        .mark_rule(strokeWidth=2)
        .encode(x="ratio:Q")
    )
    marks = (
        alt.Chart(points)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=color, shape=shape)
    )
    return alt.layer(line, marks).properties(
        title=alt.Title(network, fontSize=13, offset=6),
        width=300,
        height=30 * len(titles),
    )
