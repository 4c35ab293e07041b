"""The chart of a loss surface."""

import dataclasses

import numpy as np
import pytest

from keras_sharpness.charts import surface_chart, themed, to_csv, to_png, to_svg
from tests.charts.landscapes import surface, trajectory
from tests.charts.results import leaves, marks, rows, subtitle


def test_every_point_is_a_cell():
    spec = surface_chart(surface()).to_dict()
    (heat,) = marks(spec, "rect")
    cells = rows(spec, heat)
    assert len(cells) == 81
    # Edges half-way between points; the outer cells end with the grid.
    corner = cells[0]
    assert (corner["alpha"], corner["left"]) == (-1.0, -1.0)
    # One pixel of 480 under the next cell.
    assert corner["right"] == pytest.approx(-0.875 + 2 / 480)
    assert corner["loss"] == corner["shown"] == 6.0
    titles = [item["title"] for item in heat["encoding"]["tooltip"]]
    assert titles == ["α", "β", "loss", "accuracy (%)"]
    assert heat["encoding"]["color"]["scale"]["domain"] == [1.0, 6.0]


def test_axes_say_what_a_step_is():
    spec = surface_chart(surface()).to_dict()
    (heat,) = marks(spec, "rect")
    x, y = heat["encoding"]["x"], heat["encoding"]["y"]
    assert x["axis"]["title"] == "α  (random direction 1, of L2 length 12.3)"
    assert y["scale"]["domain"] == [-1.0, 1.0]
    unit = surface(plane={**surface().plane, "lengths": np.ones(2)})
    (heat,) = marks(surface_chart(unit).to_dict(), "rect")
    title = heat["encoding"]["x"]["axis"]["title"]
    assert title == "α  (random direction 1: L2 distance)"


@pytest.mark.parametrize("log", [False, True])
def test_contour_lines_lie_at_their_level(log):
    spec = surface_chart(surface(33), levels=[2.0, 3.0], log=log).to_dict()
    (line,) = marks(spec, "line")
    points = rows(spec, line)
    assert {row["level"] for row in points} == {2.0, 3.0}
    for row in points:
        value = 1.0 + row["alpha"] ** 2 + 4.0 * row["beta"] ** 2
        # Linear between points 1/16 apart: at most 4 (1/16)² / 4 off, and on
        # a logarithmic scale some more.
        assert value == pytest.approx(row["level"], abs=0.01)
    labels = [rows(spec, leaf) for leaf in marks(spec, "text")]
    assert {"2", "3"} <= {row.get("text") for part in labels for row in part}


def test_round_levels_by_default():
    def levels(**options):
        spec = surface_chart(surface(), **options).to_dict()
        return sorted(
            {
                r["level"]
                for leaf in marks(spec, "line")
                for r in rows(spec, leaf)
            }
        )

    assert levels(num_levels=5) == [2.0, 3.0, 4.0, 5.0]
    assert levels(log=True, num_levels=5) == [1.5, 2.0, 3.0, 5.0]
    assert levels(num_levels=0) == []


def test_a_click_selects_a_cell():
    spec = surface_chart(surface()).to_dict()
    params = {param["name"]: param for param in spec["params"]}
    assert params["cell"]["select"] == {
        "type": "point",
        "fields": ["alpha", "beta"],
        "on": "click",
    }
    assert params["hover"]["select"]["on"] == "pointerover"


def test_models_are_stars_with_names():
    names, anchors = ("small", "large", "far"), ((0, 0), (0.9, 0.5), (3, 0))
    spec = surface_chart(
        surface(names=names, anchors=anchors), names={"small": "batch 32"}
    ).to_dict()
    stars = next(
        leaf
        for leaf in marks(spec, "point")
        if "M" in str(leaf["mark"].get("shape"))
    )
    # The third one lies outside; its colour stays its own.
    assert [row["name"] for row in rows(spec, stars)] == ["batch 32", "large"]
    domain = stars["encoding"]["fill"]["scale"]["domain"]
    assert domain == ["batch 32", "large", "far"]
    aligned = {
        row["name"]: leaf["mark"]["align"]
        for leaf in marks(spec, "text", "note-text")
        for row in rows(spec, leaf)
    }
    assert aligned == {"batch 32": "left", "large": "right"}


def test_a_trajectory_shows_true_losses():
    spec = surface_chart(surface(), trajectory=trajectory()).to_dict()
    points = next(
        leaf for leaf in marks(spec, "point") if "color" in leaf["encoding"]
    )
    drawn = rows(spec, points)
    assert [row["shown"] for row in drawn] == [4.0, 2.0, 1.2, 1.0]
    titles = [item["title"] for item in points["encoding"]["tooltip"]]
    assert "distance from the plane" in titles
    text = subtitle(spec)
    assert "explain 90 % and 7 %" in text
    assert "up to 0.5 off the plane" in text
    with pytest.raises(ValueError, match="no data set 'test'"):
        surface_chart(surface(), data="test", trajectory=trajectory())


def test_accuracy_in_percent():
    spec = surface_chart(surface(), value="accuracy", data="test").to_dict()
    (heat,) = marks(spec, "rect")
    assert heat["encoding"]["color"]["legend"]["title"] == ["Accuracy (%)"]
    assert max(row["shown"] for row in rows(spec, heat)) == 50.0
    assert spec["title"]["text"] == ["Accuracy on the test data"]


def test_losses_that_exploded_do_not_flatten_the_rest():
    whole = surface()
    loss = whole.losses["train"].copy()
    loss[0, 0], loss[0, 1], loss[-1, -1] = 1e9, np.inf, np.nan
    spec = surface_chart(
        dataclasses.replace(whole, losses={"train": loss})
    ).to_dict()
    (heat,) = marks(spec, "rect")
    low, high = heat["encoding"]["color"]["scale"]["domain"]
    assert (low, high) == (1.0, 4 * np.quantile(loss[np.isfinite(loss)], 0.75))
    cells = rows(spec, heat)
    assert len(cells) == 80  # without the one that is not a number
    assert cells[1]["shown"] == high
    text = subtitle(spec)
    assert "above it: 2 of 81 points, the largest ∞" in text
    assert "Not drawn: 1 of 81 points" in text


def test_of_a_partial_surface_the_complete_grid_is_drawn():
    whole = surface(9)
    finished = np.zeros((9, 9), dtype=bool)
    finished[::2, ::2] = True
    finished[0, 1] = True
    loss = np.where(finished, whole.losses["train"], np.nan)
    part = dataclasses.replace(
        whole, losses={"train": loss}, accuracies={}, finished=finished
    )
    spec = surface_chart(part).to_dict()
    (heat,) = marks(spec, "rect")
    assert len(rows(spec, heat)) == 25
    assert "26 of 81 points are evaluated, drawn are 5 × 5" in subtitle(spec)


def test_words_for_those_who_cannot_see_it():
    text = surface_chart(surface()).to_dict()["description"]
    assert text.startswith("Heat map with contour lines. Cross-entropy loss on")
    assert "Lowest loss 1 at α = 0, β = 0." in text
    assert "Highest loss 6 at α = −1, β = −1." in text
    assert "Means over 1,000 train samples." in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "validation"}, "data='validation'"),
        ({"value": "error"}, "value='error'"),
        ({"domain": (2.0, 1.0)}, "domain="),
        ({"domain": (0.0, 1.0), "log": True}, "positive values"),
        ({"levels": [-1.0, 1.0], "log": True}, "`levels` must be positive"),
        ({"num_levels": -1}, "num_levels=-1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        surface_chart(surface(), **options)


def test_what_cannot_be_drawn_is_refused():
    nan = np.full((9, 9), np.nan)
    with pytest.raises(ValueError, match="No loss of the surface is finite"):
        surface_chart(surface(losses={"train": nan}))
    with pytest.raises(ValueError, match="no accuracy of 'train'"):
        surface_chart(surface(accuracies={}), value="accuracy")
    with pytest.raises(ValueError, match="positive values"):
        surface_chart(
            surface(losses={"train": np.full((9, 9), -1.0)}), log=True
        )


def test_exports(compiled):
    chart = surface_chart(surface(), trajectory=trajectory(), log=True)
    assert "minimum" in compiled(chart)
    assert to_svg(themed(chart, "dark")).startswith("<svg")
    assert to_png(chart, scale_factor=1).startswith(b"\x89PNG")
    lines = to_csv(surface()).splitlines()
    assert lines[0] == "alpha,beta,data,loss,accuracy"
    assert len(lines) == 1 + 2 * 81
    constant = surface(losses={"train": np.ones((9, 9))}, accuracies={})
    for log in (False, True):
        assert to_svg(surface_chart(constant, log=log)).startswith("<svg")


def test_domain_is_shared_between_charts():
    domains = set()
    for loss in (1.0, 3.0):
        chart = surface_chart(
            surface(losses={"train": loss * surface().losses["train"]}),
            domain=(1.0, 20.0),
        )
        (heat,) = marks(chart.to_dict(), "rect")
        domains.add(tuple(heat["encoding"]["color"]["scale"]["domain"]))
    assert domains == {(1.0, 20.0)}
    assert len(leaves(chart.to_dict())) > 3
