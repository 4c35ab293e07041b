"""How all charts look, on a light and on a dark page."""

from typing import Any, Literal, TypeVar

import altair as alt

from keras_sharpness import arguments

Mode = Literal["light", "dark"]
AnyChart = TypeVar("AnyChart", bound=alt.TopLevelMixin)

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color: told apart with any
# common colour blindness. Sky blue stands in for blue on a dark page.
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}

# Ink is the loss as well; the accuracy's text is darker than its line on
# white, and lighter on black, because small letters need more contrast.
COLORS: dict[str, dict[str, str]] = {
    "light": {
        "background": "#FFFFFF",
        "ink": "#1B1F24",
        "muted": "#59636E",
        "grid": "#E6E9ED",
        "small batch": OKABE_ITO["blue"],
        "large batch": OKABE_ITO["vermillion"],
        "accuracy": OKABE_ITO["bluish green"],
        "accuracy text": "#007A59",
    },
    "dark": {
        "background": "#0E1117",
        "ink": "#E8EBEF",
        "muted": "#A0A9B4",
        "grid": "#2A3038",
        "small batch": OKABE_ITO["sky blue"],
        "large batch": OKABE_ITO["vermillion"],
        "accuracy": OKABE_ITO["bluish green"],
        "accuracy text": "#35C79D",
    },
}

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"


def chart_config(mode: Mode = "light") -> dict[str, Any]:
    """The Vega-Lite configuration that makes a chart look like ours.

    Colours stand here, not in the charts, so one chart serves both modes:
    scales without a range take `range.category` (small batch first, then large
    batch), and marks and axes name a style such as `"loss"`.

    Args:
        mode: Str. `"light"` or `"dark"`.

    Returns:
        A dict, for `config` of a Vega-Lite specification.

    Raises:
        ValueError: If there is no such mode.

    Example:

    ```python
    from keras_sharpness.charts import chart_config

    assert chart_config("light")["background"] == "#FFFFFF"
    ```
    """
    arguments.one_of("mode", mode, Mode)
    color = COLORS[mode]
    ink, muted = color["ink"], color["muted"]
    return {
        "background": color["background"],
        "font": _FONT,
        "padding": 12,
        "view": {
            "continuousWidth": 560,
            "continuousHeight": 320,
            "stroke": None,
        },
        "title": {
            "anchor": "start",
            "frame": "group",
            "color": ink,
            "fontSize": 16,
            "fontWeight": 600,
            "offset": 14,
            "subtitleColor": muted,
            "subtitleFontSize": 12,
            "subtitleLineHeight": 17,
            "subtitlePadding": 6,
        },
        "axis": {
            "domainColor": muted,
            "tickColor": muted,
            "gridColor": color["grid"],
            "labelColor": ink,
            "labelFontSize": 12,
            "labelPadding": 4,
            "titleColor": ink,
            "titleFontSize": 13,
            "titleFontWeight": 600,
            "titlePadding": 10,
        },
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": {
            "orient": "bottom",
            "offset": 8,
            "labelColor": ink,
            "labelFontSize": 12,
            "labelLimit": 320,
            "titleColor": muted,
            "titleFontSize": 12,
            "titleFontWeight": 400,
            "symbolSize": 110,
            "symbolStrokeWidth": 2,
            # Legends of line styles, which have no colour of their own.
            "symbolBaseStrokeColor": ink,
            "columnPadding": 18,
            "padding": 4,
        },
        "header": {
            "labelColor": ink,
            "labelFontSize": 13,
            "labelFontWeight": 600,
            "titleColor": ink,
        },
        "line": {"strokeWidth": 2, "strokeCap": "butt", "strokeJoin": "round"},
        "point": {"size": 70, "strokeWidth": 2},
        "range": {
            "category": [
                color["small batch"],
                color["large batch"],
                color["accuracy"],
                OKABE_ITO["reddish purple"],
                OKABE_ITO["orange"],
                muted,
            ]
        },
        "style": {
            "loss-point": {"color": ink},
            "loss-line": {"color": ink},
            "loss-axis": {"titleColor": ink, "labelColor": ink},
            "accuracy-line": {"color": color["accuracy"]},
            "accuracy-axis": {
                "titleColor": color["accuracy text"],
                "labelColor": color["accuracy text"],
            },
            "reference-line": {"color": muted, "strokeWidth": 1},
            "reference-text": {"color": ink, "fontSize": 12},
            "note-text": {"color": ink, "fontSize": 12, "fontWeight": 600},
            # Under a text, so that lines do not run through its letters.
            "halo-text": {
                "color": color["background"],
                "stroke": color["background"],
                "strokeWidth": 5,
                "fontSize": 12,
                "fontWeight": 600,
            },
            "hover-band": {"color": muted},
        },
    }


def check_chart(chart: Any) -> Any:
    """Refuses what is no chart.

    Args:
        chart: What a caller passed.

    Returns:
        The chart.

    Raises:
        ValueError: If it is none.
    """
    return arguments.instance(
        "chart",
        chart,
        alt.TopLevelMixin,
        "an Altair chart",
        "Draw the result first, e.g. with `interpolation_chart(…)`.",
    )


def themed(chart: AnyChart, mode: Mode = "light") -> AnyChart:
    """A copy of the chart in our light or dark look.

    Neither the chart given nor Altair's global theme changes. Every chart of
    this package comes in the light look already.

    Args:
        chart: Altair chart.
        mode: Str. `"light"` or `"dark"`.

    Returns:
        A chart of the same class.

    Example:

    ```python
    import altair as alt
    from keras_sharpness.charts import themed

    chart = alt.Chart({"values": []}).mark_point()
    dark = themed(chart, "dark")
    assert dark.to_dict()["config"]["background"] == "#0E1117"
    ```
    """
    copy = check_chart(chart).copy(deep=False)
    copy.config = alt.Config.from_dict(chart_config(mode))
    return copy


@alt.theme.register("keras_sharpness", enable=False)
def _light() -> alt.theme.ThemeConfig:
    return {"config": chart_config("light")}


@alt.theme.register("keras_sharpness_dark", enable=False)
def _dark() -> alt.theme.ThemeConfig:
    return {"config": chart_config("dark")}
