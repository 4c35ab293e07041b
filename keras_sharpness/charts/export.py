"""Charts as SVG and PNG files, results as CSV, without a browser."""

import re
from typing import Any, Protocol

import altair as alt
import pandas as pd
import vl_convert

from keras_sharpness import arguments
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts.theme import check_chart

_COUNTED = re.compile(
    r"(?<=id=\")(clip|gradient_)\d+(?=\")|(?<=url\(#)(clip|gradient_)\d+(?=\))"
)
# Attributes in which a compound chart keeps its parts.
_PARTS = ("layer", "hconcat", "vconcat", "concat")


class HasFrame(Protocol):
    """A result that can be a table."""

    def to_frame(self) -> pd.DataFrame:
        """The result as a DataFrame."""


def to_svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an SVG image, in the look it has.

    `themed(chart, "dark")` gives the dark one. Charts over data frames of any
    length are exported, and no setting of Altair's changes meanwhile; their
    encodings must name the types, as `"loss:Q"` does.

    Args:
        chart: Altair chart.

    Returns:
        Str. The text of an `*.svg` file.

    Raises:
        ValueError: If `chart` is not a chart.

    Example:

    ```python
    import altair as alt
    from keras_sharpness.charts import to_svg

    assert to_svg(alt.Chart({"values": []}).mark_point()).startswith("<svg")
    ```
    """
    svg = vl_convert.vegalite_to_svg(specification(chart))
    # Vega counts its clip paths and gradients through the whole process;
    # counted from 0, the same chart is the same file.
    names: dict[str, str] = {}

    def renamed(match: re.Match) -> str:
        kind = match[1] or match[2]
        return names.setdefault(match[0], f"{kind}{len(names)}")

    return _COUNTED.sub(renamed, svg)


def to_png(chart: alt.TopLevelMixin, *, scale_factor: float = 2.0) -> bytes:
    r"""The chart as a PNG image, in the look it has.

    Args:
        chart: Altair chart, as for `to_svg`.
        scale_factor: Float. Pixels of the image per pixel of the chart.

    Returns:
        Bytes. The content of a `*.png` file.

    Raises:
        ValueError: If `chart` is not a chart or `scale_factor` not positive.

    Example:

    ```python
    import altair as alt
    from keras_sharpness.charts import to_png

    image = to_png(alt.Chart({"values": []}).mark_point(), scale_factor=1)
    assert image.startswith(b"\x89PNG")
    ```
    """
    scale_factor = arguments.real(
        "scale_factor",
        scale_factor,
        above=0.0,
        remedy="Pass e.g. `scale_factor=2`.",
    )
    return vl_convert.vegalite_to_png(specification(chart), scale=scale_factor)


def to_csv(rows: pd.DataFrame | HasFrame) -> str:
    r"""A table, or the table of a result, as CSV with every digit.

    Args:
        rows: DataFrame, or a result with a method `to_frame`.

    Returns:
        Str. The text of a `*.csv` file, the names of the columns first.

    Raises:
        ValueError: If there is no table, or no row in it.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.charts import to_csv

    assert to_csv(pd.DataFrame({"loss": [0.1]})) == "loss\n0.1\n"
    ```
    """
    if not isinstance(rows, pd.DataFrame):
        if not hasattr(rows, "to_frame") or isinstance(rows, type):
            raise arguments.refuse(
                "rows",
                rows,
                "a DataFrame or a result with `to_frame()`",
                "Pass the result that the chart was made from.",
            )
        rows = rows.to_frame()
    if rows.empty:
        raise ValueError("`rows` has no rows. Pass a result that holds some.")
    return rows.to_csv(index=False, lineterminator="\n")


def specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite JSON, whatever the number of its rows."""
    return _with_inline_data(check_chart(chart)).to_dict()


def _with_inline_data(chart: Any) -> Any:
    """A copy whose data frames became plain rows, parts included.

    Altair's limit of 5000 rows, and the registry of data transformers that
    Streamlit exchanges while it draws in another thread, concern data frames
    only.
    """
    copy = chart.copy(deep=False)
    if isinstance(getattr(copy, "data", None), pd.DataFrame):
        copy.data = inline_data(copy.data)
    for name in _PARTS:
        parts = getattr(copy, name, None)
        if isinstance(parts, list):
            setattr(copy, name, [_with_inline_data(part) for part in parts])
    # What facets and repeats.
    if isinstance(getattr(copy, "spec", None), alt.SchemaBase):
        copy.spec = _with_inline_data(copy.spec)
    return copy
