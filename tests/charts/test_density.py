"""The chart of spectral densities."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.charts import density_chart, themed, to_png
from keras_sharpness.metrics.density import spectral_density
from tests.charts.results import marks, rows, subtitle

SPECTRUM = np.r_[np.linspace(-1.0, 1.0, 95), [4.0, 5.0, 6.0, 7.0, 9.0]]


def density(seed=0, spectrum=SPECTRUM, num_steps=30, **options):
    """One that has a bulk, five outliers and a known trace of 31."""
    q, _ = np.linalg.qr(
        np.random.default_rng(0).standard_normal((len(spectrum),) * 2)
    )
    matrix = aslinearoperator((q * spectrum) @ q.T)
    return spectral_density(matrix, num_steps=num_steps, seed=seed, **options)


@pytest.fixture(scope="module")
def measured():
    return density()


def test_one_density_with_its_band(measured):
    spec = density_chart(measured).to_dict()
    (line,) = marks(spec, "line")
    (band,) = marks(spec, "area")
    drawn = rows(spec, line)
    # Every point, with the numbers that were measured.
    assert [row["density"] for row in drawn] == list(measured.density)
    assert band["encoding"]["y"]["field"] == "lower_shown"
    assert band["encoding"]["y2"]["field"] == "upper_shown"
    assert "color" not in line["encoding"]
    (points,) = marks(spec, "point")
    titles = [item["title"] for item in points["encoding"]["tooltip"]]
    assert titles == ["eigenvalue", "density", "lower", "upper"]


def test_axis_begins_below_a_single_eigenvalue(measured):
    spec = density_chart(measured).to_dict()
    (line,) = marks(spec, "line")
    y = line["encoding"]["y"]
    assert y["scale"]["type"] == "log"
    assert y["axis"]["title"] == "Density per unit of λ (log scale)"
    low, high = y["scale"]["domain"]
    # 100 eigenvalues; the peak of N(0, σ²) is 1 / (σ √(2π)).
    one = 0.01 / (measured.kernel_width * np.sqrt(2 * np.pi))
    # A tenth of it, down to the next 1, 2 or 5 times a power of ten.
    assert one / 10 / 2.5 <= low <= one / 10
    assert high >= measured.density.max()
    dashed = [m for m in marks(spec, "rule") if "strokeDash" in m["mark"]]
    (row,) = rows(spec, dashed[0])
    assert row["height"] == pytest.approx(one)
    # What lies below leaves the frame instead of running along it.
    assert line["mark"]["clip"]
    assert min(row["density_shown"] for row in rows(spec, line)) < low / 100


def test_eigenvalues_beyond_the_outermost_are_not_shown(measured):
    spec = density_chart(measured).to_dict()
    (line,) = marks(spec, "line")
    low, high = line["encoding"]["x"]["scale"]["domain"]
    # The spectrum is [-1, 9]; a kernel is at a tenth of its height, or of
    # that of many, within four widths, and a fiftieth of the range is margin.
    room = 4 * measured.kernel_width + 0.3
    assert -1 - room <= low < -1
    assert 9 < high <= 9 + room
    zero = next(m for m in marks(spec, "rule") if "x" in m["encoding"])
    assert rows(spec, zero) == [{"eigenvalue": 0.0}]


def test_subtitle_has_the_numbers(measured):
    text = subtitle(density_chart(measured).to_dict())
    assert "100 eigenvalues as Gaussians of width" in text
    assert "10 probes of 30 Lanczos steps." in text
    assert "Band: 95 % interval over the probes." in text
    # The error of the trace: √(2 · Σλ² / 10) at most, about 6.7.
    assert f"Trace {measured.trace:.1f} ± " in text
    assert f"negative {100 * measured.negative_share:.1f} ± " in text


def test_unresolved_share_is_told():
    clear = density(spectrum=np.repeat([-1.0, 2.0], 50))
    assert "too near 0" not in subtitle(density_chart(clear).to_dict())
    bulk = np.linspace(-1e-6, 1e-6, 190)
    spectrum = np.r_[bulk, np.linspace(-5, 5, 10)]
    vague = density(spectrum=spectrum, num_steps=6)
    assert vague.unresolved_share > 0.5
    text = subtitle(density_chart(vague).to_dict())
    assert f", {100 * vague.unresolved_share:.0f} % too near 0 to tell" in text


def test_several_are_told_apart_by_colour(measured):
    spec = density_chart({"before": measured, "after": density(1)}).to_dict()
    (line,) = marks(spec, "line")
    color = line["encoding"]["color"]
    assert color["scale"]["domain"] == ["before", "after"]
    (band,) = marks(spec, "area")
    assert band["encoding"]["color"] == color
    assert {row["name"] for row in rows(spec, line)} == {"before", "after"}
    text = subtitle(spec)
    assert "before: trace" in text
    assert "after: trace" in text
    # Heights of a single eigenvalue differ with the kernel.
    assert not [m for m in marks(spec, "rule") if "strokeDash" in m["mark"]]


def test_linear_axis_begins_at_zero(measured):
    spec = density_chart(measured, log_density=False).to_dict()
    (line,) = marks(spec, "line")
    y = line["encoding"]["y"]
    assert y["scale"]["type"] == "linear"
    assert y["scale"]["domain"][0] == 0.0
    assert y["axis"]["title"] == "Density per unit of λ"


def test_single_probe_has_no_band():
    spec = density_chart(density(num_probes=1)).to_dict()
    assert not marks(spec, "area")
    assert "1 probe of 30" in subtitle(spec)
    assert "Band" not in subtitle(spec)
    assert "±" not in subtitle(spec)


def test_long_grids_keep_their_peaks(measured):
    fine = density(grid_size=15_000)
    spec = density_chart(fine).to_dict()
    (line,) = marks(spec, "line")
    drawn = rows(spec, line)
    assert len(drawn) == 1200
    assert max(row["density"] for row in drawn) == fine.density.max()
    places = [row["eigenvalue"] for row in drawn]
    assert places == sorted(places)


def test_description_has_numbers(measured):
    text = density_chart(measured).to_dict()["description"]
    assert text.startswith("Line chart with a band. Spectral density. From −1")
    assert "to 9," in text
    assert f"Trace {measured.trace:.1f}" in text


def test_title(measured):
    def title(chart):
        return chart.to_dict()["title"]["text"]

    assert title(density_chart(measured)) == ["Spectral density"]
    hessian = dataclasses.replace(measured, operator="HessianOperator")
    assert title(density_chart(hessian)) == ["Spectral density of the Hessian"]
    both = density_chart({"a": measured, "b": hessian})
    assert title(both) == ["Spectral density"]
    assert title(density_chart(hessian, title="Mine")) == ["Mine"]


@pytest.mark.parametrize("log_density", [True, False])
@pytest.mark.parametrize("several", [True, False])
def test_compiles_without_warnings(
    measured, several, log_density, capfd, compiled
):
    given = {"a": measured, "b": measured} if several else measured
    chart = density_chart(given, log_density=log_density)
    assert "Eigenvalue λ" in compiled(themed(chart, "dark"))
    assert "WARN" not in capfd.readouterr().err
    assert to_png(chart, scale_factor=1).startswith(b"\x89PNG")


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_one_eigenvalue_only(value, compiled):
    result = spectral_density(aslinearoperator(value * np.eye(5)))
    drawn = compiled(density_chart(result))
    assert ">one<" in drawn
    assert ">eigenvalue<" in drawn


@pytest.mark.parametrize(
    ("count", "message"),
    [(0, "nothing to draw"), (7, "Received: 7. Draw several")],
)
def test_refuses_what_cannot_be_drawn(measured, count, message):
    given = {str(number): measured for number in range(count)}
    with pytest.raises(ValueError, match=message):
        density_chart(given)
