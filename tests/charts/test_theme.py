"""The look: colours that everybody tells apart, on both backgrounds."""

import altair as alt
import numpy as np
import pytest

from keras_sharpness.charts import chart_config, interpolation_chart, themed
from keras_sharpness.charts.theme import COLORS, OKABE_ITO
from tests.charts.results import interpolation

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(color):
    values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )


def contrast(one, other):
    """WCAG 2.1, relative luminance."""
    light = sorted(
        linear(color) @ [0.2126, 0.7152, 0.0722] for color in (one, other)
    )
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(rgb):
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = matrix @ rgb / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("sight", sorted(SIGHT))
@pytest.mark.parametrize(
    "pair", [("small batch", "large batch"), ("ink", "accuracy")]
)
def test_colours_of_one_chart_differ_for_every_eye(mode, sight, pair):
    seen = [
        lab(np.clip(SIGHT[sight] @ linear(COLORS[mode][name]), 0, 1))
        for name in pair
    ]
    # ΔE*ab; 10 is told apart at a glance, thin lines need more.
    assert np.linalg.norm(seen[0] - seen[1]) > 35


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast_with_the_background(mode):
    color = COLORS[mode]
    # WCAG 2.1: 3 for graphics, 4.5 for small text.
    for name in ("small batch", "large batch", "accuracy"):
        assert contrast(color[name], color["background"]) >= 3.0
    for name in ("ink", "muted", "accuracy text"):
        assert contrast(color[name], color["background"]) >= 4.5


def test_batches_have_the_palette_of_okabe_and_ito():
    for mode in ("light", "dark"):
        category = chart_config(mode)["range"]["category"]
        assert set(category[:2]) <= set(OKABE_ITO.values())
    assert COLORS["light"]["background"] == "#FFFFFF"


def test_both_modes_style_the_same_things():
    def keys(value):
        if not isinstance(value, dict):
            return None
        return {name: keys(item) for name, item in value.items()}

    assert keys(chart_config("light")) == keys(chart_config("dark"))


def test_light_colours_do_not_stay_in_the_dark():
    def colors(value):
        if isinstance(value, dict):
            return set().union(*map(colors, value.values()))
        if isinstance(value, list):
            return set().union(*map(colors, value))
        return {value} if str(value).startswith("#") else set()

    shared = colors(chart_config("light")) & colors(chart_config("dark"))
    # Those that serve on both backgrounds.
    assert shared <= {
        OKABE_ITO[name]
        for name in ("vermillion", "bluish green", "orange", "reddish purple")
    }


def test_themed_copies():
    chart = interpolation_chart(interpolation())
    before = chart.to_dict()
    dark = themed(chart, "dark").to_dict()
    assert chart.to_dict() == before
    assert before["config"]["background"] == "#FFFFFF"
    assert dark["config"]["background"] == COLORS["dark"]["background"]
    # Colours stand in the configuration only.
    assert {**before, "config": 0} == {**dark, "config": 0}


def test_global_theme_is_offered_and_not_switched_on():
    assert not alt.theme.active.startswith("keras_sharpness")
    assert {"keras_sharpness", "keras_sharpness_dark"} <= set(alt.theme.names())
    chart = alt.Chart({"values": []}).mark_point()
    with alt.theme.enable("keras_sharpness"):
        config = chart.to_dict()["config"]
    assert config["range"] == chart_config("light")["range"]
    with alt.theme.enable("keras_sharpness_dark"):
        config = chart.to_dict()["config"]
    assert config["range"] == chart_config("dark")["range"]


def test_every_style_that_a_chart_names_exists():
    def styles(value):
        if isinstance(value, dict):
            own = (
                {value["style"]}
                if isinstance(value.get("style"), str)
                else set()
            )
            return own.union(*map(styles, value.values()))
        if isinstance(value, list):
            return set().union(*map(styles, value))
        return set()

    spec = interpolation_chart(interpolation()).to_dict()
    config = spec.pop("config")
    assert styles(spec) == set(config["style"]) - {"loss-point"}


def test_unknown_mode():
    chart = interpolation_chart(interpolation())
    with pytest.raises(ValueError, match="'light', 'dark'"):
        chart_config("Light")
    with pytest.raises(ValueError, match="'light', 'dark'"):
        themed(chart, "blue")
