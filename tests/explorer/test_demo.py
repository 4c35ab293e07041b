"""The pair that ships: every page of it, and what computing changes."""

import json
import re

import numpy as np
import pytest
from work.between import Interpolate
from work.data import DataChoice
from work.source import DEMO, study_source

from tests.explorer.driving import (
    finish,
    is_clean,
    is_computing,
    press,
    specs,
    texts,
)

pytestmark = pytest.mark.app
CHARTS = {
    "Compare": 1,
    "Between": 1,
    "Around": 1,
    "Spectrum": 1,
    "Training": 2,
    "Study": 2,
    "About": 0,
}
DEMO_NAME = "demo pair"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", CHARTS)
def test_every_page_shows_something_at_once(opened, view, theme):
    app = opened(study=DEMO_NAME, view=view, theme=theme)
    assert is_clean(app)
    assert texts(app.title) == ["A small against a large batch"]
    charts = specs(app)
    assert len(charts) == CHARTS[view]
    for chart in charts:
        white = chart["config"]["background"] == "#FFFFFF"
        assert white == (theme == "light")
        assert chart["description"]
    assert not [b for b in app.button if b.label in ("Compute", "Measure")]


def test_the_demo_is_small_and_tells_of_no_place():
    files = [f for f in DEMO.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 1_000_000
    for file in files:
        if file.suffix == ".json":
            # A path of the machine it was made on.
            assert not re.search(r"\"/\w+/", file.read_text()), file


def test_the_reference_is_the_readers_choice(opened):
    app = opened(study=DEMO_NAME, reference="large batch 400")
    assert is_clean(app)
    (chart,) = specs(app)
    assert "Multiple of large batch 400" in json.dumps(
        chart, ensure_ascii=False
    )
    numbers, differences = app.dataframe[0].value, app.dataframe[1].value
    assert list(differences.index) == ["small batch 16"]
    assert differences.loc["small batch 16", "λ₁"] == (
        numbers.loc["small batch 16", "λ₁"]
        - numbers.loc["large batch 400", "λ₁"]
    )


def test_another_setting_costs_and_is_kept(opened):
    address = {"study": DEMO_NAME, "view": "Between", "points": "13"}
    app = opened(**address, samples="50")
    assert is_clean(app)
    assert not specs(app)
    assert "26 loss evaluations on 50 samples" in " ".join(texts(app.markdown))
    app = press(app, "Compute")
    assert is_computing(app) or specs(app)
    app = finish(app)
    assert is_clean(app)
    (chart,) = specs(app)
    # Another reader of the same link need not compute.
    again = opened(**address, samples="50")
    assert specs(again) == [chart]
    assert not is_computing(again)


def test_stop_and_go_on(opened):
    app = opened(
        study=DEMO_NAME, view="Around", side="51", samples="4000", span="0.7"
    )
    app = press(app, "Compute")
    app = press(app, "Stop")
    app = finish(app)
    assert is_clean(app)
    assert "Stopped." in " ".join(texts(app.markdown))
    assert "Go on" in [button.label for button in app.button]


def test_what_a_study_stored_is_what_would_be_computed(tmp_path):
    from work.jobs import Job

    source = study_source(DEMO_NAME, DEMO)
    request = Interpolate(minima=source.minima, data=source.data)
    stored = source.stored(request)
    computed = []
    job = Job((), "", lambda job: computed.append(request.run(job)), tmp_path)
    job.run()
    assert job.state == "done", job.message
    # The study took all test samples, which are as many; other batches are
    # summed in another order in float32.
    for split in ("train", "test"):
        np.testing.assert_allclose(
            computed[0].losses[split], stored.losses[split], rtol=2e-5
        )
    assert (
        source.stored(Interpolate(minima=source.minima[::-1], data=source.data))
        is None
    )
    other = DataChoice(num_samples=7)
    assert source.stored(Interpolate(minima=source.minima, data=other)) is None
