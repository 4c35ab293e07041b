"""How tests read and drive the explorer without a browser."""

import json
import re
import time

import pyarrow

# Patience, not expectation: what takes longer hangs.
SECONDS = 120


def texts(elements):
    """What is shown, without the backslashes of escaped Markdown."""
    return [re.sub(r"\\([\W_])", r"\1", element.value) for element in elements]


def specs(app):
    """The specifications of the charts."""
    return [
        json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")
    ]


def points(chart):
    """The rows of minima, wherever Altair has put them."""
    tables = [*chart.get("datasets", {}).values()]
    for part in (chart, *chart["layer"]):
        tables.append(part.get("data", {}).get("values", []))
    return [row for rows in tables for row in rows if "minimum" in row]


def is_clean(app):
    """True, or an error that says what the page complains of."""
    told = [*app.exception, *app.error, *app.warning]
    assert not told, [element.value for element in told]
    return True


def press(app, label):
    """Presses a button."""
    (button,) = [b for b in app.button if b.label == label]
    return button.click().run()


def is_computing(app):
    return any(button.label == "Stop" for button in app.button)


def finish(app):
    """Looks again and again, as the page does, until nothing is computed."""
    deadline = time.monotonic() + SECONDS
    while is_computing(app):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        app.run()
    return app


def dropped(app, *paths):
    """Drops model files."""
    files = [(p.name, p.read_bytes(), "application/zip") for p in paths]
    return app.file_uploader[0].set_value(files).run()


def drawn(app, mark):
    """The tables of the marks of a kind, of the only chart or its panels."""
    (element,) = app.get("vega_lite_chart")
    tables = {
        table.name: pyarrow.ipc.open_stream(table.data.data).read_pandas()
        for table in element.proto.datasets
    }
    chart = json.loads(element.proto.spec)
    return [
        tables[layer["data"]["name"]]
        for panel in chart.get("concat", [chart])
        for layer in panel["layer"]
        if layer["mark"]["type"] == mark
    ]
