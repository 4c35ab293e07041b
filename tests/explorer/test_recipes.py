"""The lines to copy draw what the page draws, from what a study stored."""

import io
import json
import zipfile

import pytest
from work.recipes import eigenvalues_recipe, training_recipe, zip_bytes
from work.source import DEMO, study_source

from keras_sharpness.charts import training_chart
from tests.explorer.driving import is_clean, specs

pytestmark = pytest.mark.app
# What the page adds, colours, width, brushes and words at the pointer, and
# what Altair counts.
OTHER = {"$schema", "autosize", "config", "data", "datasets", "name", "params"}
OTHER |= {"tooltip", "transform"}


def bare(part):
    """A chart without its data, and without what the page adds."""
    if isinstance(part, list):
        return [bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {k: bare(v) for k, v in part.items() if k not in OTHER}


def assert_drawn_again(app):
    """Executes every script of a page; its charts are those of the page.

    Their descriptions tell the values, so they compare the data, too.
    """
    assert is_clean(app)
    charts = specs(app)
    assert len(app.code) == len(charts)
    for code, chart in zip(app.code, charts, strict=True):
        values = {}
        exec(code.value, values)
        again = values["chart"].to_dict()
        assert again["description"]
        assert bare(again) == bare(chart)


@pytest.mark.parametrize(
    ("view", "options"),
    [
        ("Between", {"log": "true", "seed_path": "curvilinear"}),
        ("Training", {}),
    ],
)
def test_pages_of_a_study(opened, add_study, view, options):
    add_study("one")
    assert_drawn_again(opened(view=view, **options))


@pytest.mark.parametrize("view", ["Compare", "Training", "Study"])
def test_pages_of_the_demo(opened, view):
    assert_drawn_again(opened(study="demo pair", view=view))


def test_the_archive_of_what_was_stored():
    source = study_source("demo pair", DEMO)
    histories = {m.name: m.run.history() for m in source.minima}
    recipe = training_recipe(source.minima, histories)
    rows = source.study.eigenvalues()
    content = zip_bytes(training_chart(histories), rows, recipe, {})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("figure.py").decode() == recipe.code
        settings = json.loads(archive.read("settings.json"))
        history = json.loads(archive.read("result_2.json"))
    for made, minimum in zip(
        settings["computations"], source.minima, strict=True
    ):
        assert made["settings"]["seed"] == minimum.settings["seed"]
        assert made["versions"] == minimum.run.versions
    assert history == source.minima[1].run.history().to_dict()
    study, *runs = eigenvalues_recipe(source.study).settings
    assert study["settings"]["seeds"] == source.study.seeds
    assert [run["name"] for run in runs] == [m.run.name for m in source.minima]
