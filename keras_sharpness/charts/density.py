"""The spectral density of a curvature matrix."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis, log_axis
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._text import heading, number, shorten, span
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.metrics import SpectralDensity

_WIDTH, _HEIGHT = 560, 340
# The theme's categorical colours.
_MOST_CURVES = 6
# Pixels of the width are fewer: of more points, the highest of each bin.
_MOST_POINTS = 1200
# Of the height of a single eigenvalue: lower, a density is the tail of a
# kernel and tells nothing.
_FLOOR = 0.1
# Above the highest density, where a band of two probes ends far off.
_HEADROOM = 10.0
# Share of the eigenvalues.
_WORTH_SAYING = 0.01
_MATRICES = {
    "HessianOperator": "Hessian",
    "GaussNewtonOperator": "Gauss-Newton matrix",
    "FisherOperator": "Fisher matrix",
    "EmpiricalFisherOperator": "empirical Fisher matrix",
}


def density_chart(
    density: "SpectralDensity | Mapping[str, SpectralDensity]",
    *,
    log_density: bool = True,
    title: str | None = None,
) -> alt.LayerChart:
    """How the eigenvalues are distributed, with the band over the probes.

    The logarithmic axis begins at a tenth of the height that a single
    eigenvalue has; a dashed line marks that height where one density is drawn.
    Several are told apart by colour.

    Args:
        density: `SpectralDensity`, or a dict of up to six by name.
        log_density: Bool. Whether the axis of the density is logarithmic;
            without, all that is seen of most networks is the peak at 0.
        title: Str. By default it names the matrix.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there are none or more than six.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.charts import density_chart
    from keras_sharpness.metrics.density import spectral_density
    from scipy.sparse.linalg import aslinearoperator

    operator = aslinearoperator(np.diag(np.linspace(-1.0, 3.0, 50)))
    chart = density_chart(spectral_density(operator, num_steps=20))
    ```

    Reference:
        Ghorbani, Krishnan and Xiao 2019, https://arxiv.org/abs/1901.10159.
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.boolean("log_density", log_density)
    runs = _runs(density)
    rows = _rows(runs)
    single = [_height_of_one(run) for run in runs.values()]
    y_axis = _density_axis(rows, min(single), log_density)
    x = _eigenvalue_axis(rows, y_axis)
    text = title or _title(runs)
    notes = _notes(runs)
    layers = [_zero(x), *_curves(rows, x, y_axis, several=len(runs) > 1)]
    if len(runs) == 1 and log_density:
        layers += _one_eigenvalue(single[0], y_axis)
    chart = alt.layer(*layers).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=heading(text, notes),
        description=_description(text, runs, notes),
    )
    return themed(chart)


def _runs(
    density: "SpectralDensity | Mapping[str, SpectralDensity]",
) -> "dict[str, SpectralDensity]":
    runs = arguments.results(
        "density", density, "SpectralDensity", "`ks.spectral_density(…)`"
    )
    if len(runs) > _MOST_CURVES:
        raise ValueError(
            f"`density` must hold one to {_MOST_CURVES} densities. Received: "
            f"{len(runs)}. Draw several charts."
        )
    return {shorten(name): run for name, run in runs.items()}


def _rows(runs: "dict[str, SpectralDensity]") -> pd.DataFrame:
    frames = []
    for name, run in runs.items():
        frame = run.to_frame()
        if len(frame) > _MOST_POINTS:
            bins = np.arange(len(frame)) * _MOST_POINTS // len(frame)
            highest = frame["density"].groupby(bins).idxmax()
            frame = frame.loc[highest]
        frames.append(frame.assign(name=name))
    return pd.concat(frames, ignore_index=True)


def _height_of_one(run: "SpectralDensity") -> float:
    """The density in the middle of an eigenvalue that stands alone."""
    return 1.0 / (run.size * run.kernel_width * np.sqrt(2 * np.pi))


def _density_axis(rows: pd.DataFrame, single: float, log: bool) -> Axis:
    highest = float(rows["density"].max())
    top = max(highest, min(rows["upper"].max(), _HEADROOM * highest))
    if not log:
        return linear_axis(0.0, top)
    return log_axis([min(_FLOOR * single, highest), top])


def _eigenvalue_axis(rows: pd.DataFrame, y_axis: Axis) -> alt.X:
    seen = rows[rows["density"] > max(y_axis.lower, 0.0)]["eigenvalue"]
    low, high = float(seen.min()), float(seen.max())
    margin = 0.02 * (high - low)
    low, high = low - margin, high + margin
    ticks = linear_axis(low, high, num_ticks=7).ticks
    return alt.X(
        "eigenvalue:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(
            title="Eigenvalue λ",
            values=[tick for tick in ticks if low <= tick <= high],
            format=".6~g",
        ),
    )


def _curves(
    rows: pd.DataFrame, x: alt.X, axis: Axis, *, several: bool
) -> list[alt.Chart]:
    # Far below the frame, where marks are clipped: a line that ended on the
    # frame would look like a density.
    lowest = axis.lower * 1e-3 if axis.log else 0.0
    shown = rows.assign(
        **{
            f"{name}_shown": rows[name].clip(lowest, 10 * axis.upper)
            for name in ("density", "lower", "upper")
        }
    )
    title = "Density per unit of λ" + (" (log scale)" if axis.log else "")
    y = alt.Y("density_shown:Q", scale=axis.scale, axis=axis.axis(title))
    chart = alt.Chart(inline_data(shown)).encode(x=x)
    if several:
        names = list(dict.fromkeys(rows["name"]))
        chart = chart.encode(
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=names),
                # The band would lend its opacity to the symbols.
                legend=alt.Legend(
                    title=None, symbolType="stroke", symbolOpacity=1
                ),
            )
        )
    tooltip = [
        alt.Tooltip("eigenvalue:Q", title="eigenvalue", format=".4~g"),
        alt.Tooltip("density:Q", title="density", format=".3~g"),
        alt.Tooltip("lower:Q", title="lower", format=".3~g"),
        alt.Tooltip("upper:Q", title="upper", format=".3~g"),
    ]
    if several:
        tooltip.insert(0, alt.Tooltip("name:N", title="of"))
    layers = [
        chart.mark_line(style="loss-line", clip=True).encode(y=y),
        # Lines have no tooltip for each of their points.
        chart.mark_point(
            style="loss-point", filled=True, size=60, opacity=0, clip=True
        ).encode(y=y, tooltip=tooltip),
    ]
    if rows["lower"].notna().any():
        band = chart.mark_area(
            style="loss-line", opacity=0.25, strokeWidth=0, clip=True
        )
        layers.insert(
            0,
            band.encode(
                y=alt.Y("lower_shown:Q", scale=axis.scale), y2="upper_shown:Q"
            ),
        )
    return layers


def _zero(x: alt.X) -> alt.Chart:
    zero = pd.DataFrame({"eigenvalue": [0.0]})
    return (
        alt.Chart(inline_data(zero))
        .mark_rule(style="reference-line", clip=True)
        .encode(x=x)
    )


def _one_eigenvalue(height: float, axis: Axis) -> list[alt.Chart]:
    rows = pd.DataFrame({"height": [height], "text": ["one\neigenvalue"]})
    base = alt.Chart(inline_data(rows)).encode(
        y=alt.Y("height:Q", scale=axis.scale)
    )
    return [
        base.mark_rule(style="reference-line", strokeDash=[4, 4]),
        # Beside the frame, where no curve is.
        base.mark_text(
            style="reference-text",
            align="left",
            baseline="middle",
            dx=6,
            lineBreak="\n",
        ).encode(x=alt.value("width"), text="text:N"),
    ]


def _title(runs: "dict[str, SpectralDensity]") -> str:
    operators = {run.operator for run in runs.values()}
    matrix = _MATRICES.get(operators.pop()) if len(operators) == 1 else None
    return "Spectral density" + (f" of the {matrix}" if matrix else "")


def _notes(runs: "dict[str, SpectralDensity]") -> list[str]:
    some = list(runs.values())
    sizes = " or ".join(f"{size:,}" for size in sorted({r.size for r in some}))
    probes = span(run.num_probes for run in some)
    steps = span(run.nodes.shape[1] for run in some)
    notes = [
        f"{sizes} eigenvalues as Gaussians of width "
        f"{span(run.kernel_width for run in some)}; "
        f"{probes} {'probe' if probes == '1' else 'probes'} of {steps} Lanczos "
        "steps.",
    ]
    if any(run.num_probes > 1 for run in some):
        notes.append("Band: 95 % interval over the probes.")
    return notes + [_numbers(name, run) for name, run in runs.items()]


def _numbers(name: str, run: "SpectralDensity") -> str:
    text = (
        f"race {_with_error(run.trace, run.trace_standard_error)}; negative "
        + _with_error(
            100 * run.negative_share, 100 * run.negative_share_standard_error
        )
        + " % of the eigenvalues"
    )
    if run.unresolved_share >= _WORTH_SAYING:
        text += f", {100 * run.unresolved_share:.0f} % too near 0 to tell"
    return f"{name}: t{text}." if name else f"T{text}."


def _with_error(value: float, error: float) -> str:
    """`value` with its standard error, both to the error's second digit."""
    if not error > 0.0:
        return number(value)
    decimals = 1 - math.floor(math.log10(error))
    if not -4 <= decimals <= 6 or abs(value) >= 1e7:
        return f"{number(value)} ± {number(error, 2)}"
    rounded = (round(part, decimals) for part in (value, error))
    return " ± ".join(
        f"{part:,.{max(0, decimals)}f}".replace("-", "−") for part in rounded
    )


def _description(
    title: str, runs: "dict[str, SpectralDensity]", notes: list[str]
) -> str:
    parts = [
        (f"{name}: f" if name else "F")
        + f"rom {number(run.nodes.min())} to {number(run.nodes.max())}, "
        f"highest at {number(run.grid[np.argmax(run.density)])}."
        for name, run in runs.items()
    ]
    return " ".join([f"Line chart with a band. {title}.", *parts, *notes])
