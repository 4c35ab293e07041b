"""Results as one HTML file that needs no network."""

import base64
import dataclasses
import math
import os
import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import vl_convert

from keras_sharpness import arguments
from keras_sharpness.charts._text import number
from keras_sharpness.charts.export import specification, to_svg
from keras_sharpness.charts.theme import chart_config, check_chart, themed
from keras_sharpness.files import check_file, write_atomically
from keras_sharpness.version import __version__

_DIGITS = 4
_MOST_DIGITS = 6
_MISSING = "–"
# Also numbers that somebody has formatted: "98.03 ± 0.07", "< 1e-3", "12 %".
_NUMBER = re.compile(
    r"[<>≤≥≈~]?\s*[+\-−]?[\d.,]+(e[+\-−]?\d+)?(\s*±\s*[\d.,]+(e[+\-−]?\d+)?)?\s*%?"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report: text, then a table, then a chart.

    Attributes:
        heading: Str.
        paragraphs: Sequence of str, or one str. Plain text: HTML in it is
            shown as it is written.
        table: DataFrame, or None. Numbers are rounded for reading.
        table_caption: Str, or None.
        chart: Altair chart, or None. It takes the look of the page.
        caption: Str, or None. What stands below the chart.
        alt_text: Str, or None for the chart's own `description`. What a
            screen reader says.
    """

    heading: str
    paragraphs: Sequence[str] | str = ()
    table: pd.DataFrame | None = None
    table_caption: str | None = None
    chart: alt.TopLevelMixin | None = None
    caption: str | None = None
    alt_text: str | None = None

    def __post_init__(self) -> None:
        arguments.text("heading", self.heading)
        for name in ("table_caption", "caption", "alt_text"):
            arguments.text(name, getattr(self, name), optional=True, empty=True)
        given = self.paragraphs
        arguments.instance("paragraphs", given, Sequence, "text or texts")
        for paragraph in given:
            arguments.text("paragraphs", paragraph, empty=True)
        if self.table is not None:
            arguments.instance("table", self.table, pd.DataFrame, "a DataFrame")
        if self.chart is not None:
            check_chart(self.chart)


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    sections: Sequence[Section],
    subtitle: str | None = None,
    footer: str | None = None,
) -> None:
    """Writes a report that opens anywhere: one file, nothing to load.

    Charts are interactive, in the light or dark look that the reader's system
    asks for, and light on paper. A kill leaves the old file or the new one.

    Args:
        path: Path of the `*.html` file to make or replace.
        title: Str.
        sections: Sequence of `Section`.
        subtitle: Str, e.g. what was measured, on which data and when.
        footer: Str, e.g. settings and versions.

    Raises:
        ValueError: If there is no section, or one that cannot be drawn.

    Example:

    ```python
    import pathlib, tempfile
    import pandas as pd
    from keras_sharpness.charts import Section, write_report

    table = pd.DataFrame({"batch": [32, 400], "sharpness": [1.23, 205.14]})
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.html"
        section = Section(heading="Sharpness", table=table)
        write_report(path, title="F1 on MNIST", sections=[section])
        assert "205.14" in path.read_text()
    ```
    """
    check_file(path)
    html = report_html(
        title=title, sections=sections, subtitle=subtitle, footer=footer
    )
    write_atomically(path, html.encode())


def report_html(
    *,
    title: str,
    sections: Sequence[Section],
    subtitle: str | None = None,
    footer: str | None = None,
) -> str:
    """The text of the report, e.g. to offer for download.

    Args:
        title: Str.
        sections: Sequence of `Section`.
        subtitle: Str.
        footer: Str.

    Returns:
        Str. The HTML that `write_report` writes.

    Raises:
        ValueError: If there is no section, or one that cannot be drawn.

    Example:

    ```python
    from keras_sharpness.charts import Section, report_html

    html = report_html(title="Empty", sections=[Section(heading="Nothing")])
    ```
    """
    arguments.text("title", title)
    arguments.text("subtitle", subtitle, optional=True, empty=True)
    arguments.text("footer", footer, optional=True, empty=True)
    remedy = "Pass at least one Section(heading=…)."
    arguments.instance(
        "sections", sections, Sequence, "a list of Section objects", remedy
    )
    if not sections:
        raise ValueError(f"`sections` is empty. {remedy}")
    for section in sections:
        arguments.instance(
            "sections", section, Section, "a list of Section objects", remedy
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_sharpness.charts", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    has_charts = any(section.chart is not None for section in sections)
    return environment.get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        footer=footer,
        sections=[_content(section) for section in sections],
        libraries=_libraries() if has_charts else None,
        configs={mode: chart_config(mode) for mode in ("light", "dark")},
        version=__version__,
    )


def _content(section: Section) -> dict[str, Any]:
    """What the template needs of a section."""
    paragraphs = section.paragraphs
    if isinstance(paragraphs, str):
        paragraphs = [paragraphs]
    content: dict[str, Any] = {
        "heading": section.heading,
        "paragraphs": list(paragraphs),
        "table": None if section.table is None else _text_table(section.table),
        "table_caption": section.table_caption,
        "caption": section.caption,
        "figure": None,
    }
    if section.chart is not None:
        spec = specification(section.chart)
        # The page has a look for each mode.
        spec.pop("config", None)
        text = section.alt_text or spec.get("description") or section.heading
        spec["description"] = text
        # For paper, and for readers that run no scripts. As an image, because
        # the clip paths of several inline SVGs would share their names.
        image = to_svg(themed(section.chart)).encode()
        content["figure"] = {
            "spec": spec,
            "alt_text": text,
            "image": base64.b64encode(image).decode(),
        }
    return content


def _libraries() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    # "</script" inside a string of the libraries would end the script.
    script = vl_convert.javascript_bundle()
    return script.replace("</script", r"<\/script")


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table of text.

    Attributes:
        header: List of str.
        rows: List of lists of str.
        numeric: List of bool. Which columns align right.
    """

    header: list[str]
    rows: list[list[str]]
    numeric: list[bool]


def _text_table(frame: pd.DataFrame) -> _Table:
    """The frame as text; its index too, where it says something."""
    says_something = frame.index.names != [None] or not isinstance(
        frame.index, pd.RangeIndex
    )
    if says_something:
        frame = frame.reset_index(
            names=_index_names(frame), allow_duplicates=True
        )
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return _Table(
        header=[_heading(name) for name in frame.columns],
        rows=[list(row) for row in zip(*columns, strict=True)],
        numeric=[
            all(text == _MISSING or _NUMBER.fullmatch(text) for text in column)
            for column in columns
        ],
    )


def _index_names(frame: pd.DataFrame) -> list[str]:
    return ["" if name is None else str(name) for name in frame.index.names]


def _heading(name: object) -> str:
    return (
        " ".join(filter(None, map(str, name)))
        if isinstance(name, tuple)
        else str(name)
    )


def _column(values: pd.Series) -> list[str]:
    if pd.api.types.is_bool_dtype(values):
        return ["yes" if value else "no" for value in values]
    if pd.api.types.is_float_dtype(values):
        return _floats([float(value) for value in values])
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return _MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}".replace("-", "−")
    if isinstance(value, float | np.floating):
        return _floats([float(value)])[0]
    return str(value)


def _floats(values: list[float]) -> list[str]:
    """One number of decimals for the column, if that serves all values."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    sizes = [size for size in finite if size > 0]
    largest, smallest = max(sizes, default=1.0), min(sizes, default=1.0)
    high, low = (math.floor(math.log10(size)) for size in (largest, smallest))
    # Four digits of the largest and three of the smallest, within reason.
    decimals = max(_DIGITS - 1 - high, _DIGITS - 2 - low)
    decimals = max(0, min(decimals, _MOST_DIGITS - 1 - high))
    # The smallest one must keep two digits.
    if largest >= 1e7 or smallest < 10.0 ** (1 - decimals):
        return [
            _MISSING if math.isnan(value) else number(value, _DIGITS)
            for value in values
        ]
    texts = [f"{value:,.{decimals}f}" for value in finite]
    while decimals and all(text.endswith("0") for text in texts):
        decimals -= 1
        texts = [text[:-1] for text in texts]
    return [
        _MISSING
        if math.isnan(value)
        else number(value)
        if math.isinf(value)
        else f"{value:,.{decimals}f}".replace("-", "−")
        for value in values
    ]
