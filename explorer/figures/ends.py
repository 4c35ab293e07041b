"""A path whose tooltips tell which minimum is near."""

import json

import altair as alt

_BAND = "hover-band"
# Of α, which is a decimal fraction in binary.
_ROUNDING = 1e-9


def with_ends(chart: alt.LayerChart, start: str, end: str) -> alt.LayerChart:
    """The chart with the names of its ends in the tooltips.

    Args:
        chart: Altair chart of `interpolation_chart`.
        start: Str. The minimum at α = 0.
        end: Str. The minimum at α = 1.

    Returns:
        Another chart.
    """
    words = {
        f"abs(datum.alpha) < {_ROUNDING}": start,
        f"abs(datum.alpha - 1) < {_ROUNDING}": end,
        "datum.alpha < 0": f"beyond {start}",
        "datum.alpha > 1": f"beyond {end}",
    }
    place = json.dumps(f"between {start} and {end}")
    for condition, text in reversed(words.items()):
        place = f"{condition} ? {json.dumps(text)} : {place}"
    copy = chart.copy(deep=False)
    copy.layer = [
        _told(layer, place) if _is_band(layer) else layer
        for layer in chart.layer
    ]
    return copy


def _is_band(layer: alt.Chart | alt.LayerChart) -> bool:
    mark = getattr(layer, "mark", None)
    return isinstance(mark, alt.MarkDef) and mark.style == _BAND


def _told(layer: alt.Chart, place: str) -> alt.Chart:
    tooltip = alt.Tooltip("place:N", title="where")
    copy = layer.transform_calculate(place=place)
    return copy.encode(tooltip=[tooltip, *layer.encoding.tooltip])
