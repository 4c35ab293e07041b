"""The explorer, driven without a browser."""

import json
import os

import pytest

import keras_sharpness as ks
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies import Comparison
from tests.explorer.conftest import build_model, half_plane
from tests.explorer.driving import is_clean, specs, texts

pytestmark = pytest.mark.app

# Of the study below, which has neither traces nor spectra yet.
CHARTS = {
    "Compare": 1,
    "Between": 1,
    "Around": 0,
    "Spectrum": 0,
    "Training": 1,
    "Study": 2,
    "About": 0,
}


@pytest.mark.parametrize("folder", ["", "nothing here"])
def test_without_a_study_there_is_the_demo(opened, runs, folder):
    app = opened("--runs", str(runs / folder))
    assert is_clean(app)
    assert app.selectbox(key="study").options == ["demo pair"]
    assert len(specs(app)) == 1


def test_a_study_made_meanwhile_is_found(opened, add_study):
    app = opened()
    add_study("new")
    app.run()
    assert is_clean(app)
    assert app.selectbox(key="study").options == ["new", "demo pair"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", CHARTS)
def test_every_tab(opened, add_study, view, theme):
    add_study("one")
    app = opened(view=view, theme=theme)
    assert is_clean(app)
    assert texts(app.title) == ["straight_cut on half_plane"]
    charts = specs(app)
    assert len(charts) == CHARTS[view]
    white = "#FFFFFF"
    for chart in charts:
        assert (chart["config"]["background"] == white) == (theme == "light")
        assert chart["description"]


def test_study_shows_the_outcome(opened, add_study):
    comparison = Comparison.load(add_study("one") / "comparison.json")
    app = opened(view="Study")
    shown = [text.replace("\xa0", " ") for text in texts(app.markdown)]
    for sentence in comparison.verdict():
        assert sentence in shown
    assert app.dataframe[0].value.equals(comparison.summary())
    scatter, _ = specs(app)
    # One panel for each ε in the full space and in the subspace.
    assert len(scatter["concat"]) == 4


def test_study_and_tab_are_in_the_address(opened, add_study):
    add_study("older")
    add_study("deeper/down")
    add_study("newest")
    app = opened(study="deeper/down", view="Training")
    choice = app.selectbox(key="study")
    assert choice.options == [
        "newest",
        "deeper/down",
        "older",
        "demo pair",
    ]
    assert choice.value == "deeper/down"
    assert app.session_state["view"] == "Training"
    choice.select("older").run()
    assert is_clean(app)
    assert app.selectbox(key="study").value == "older"
    assert app.session_state["view"] == "Training"


def test_a_study_that_is_gone(opened, add_study):
    add_study("here")
    app = opened(study="go_ne")
    assert not app.exception
    assert app.selectbox(key="study").value == "here"
    assert "go_ne" in texts(app.warning)[0]


def test_the_folder_may_be_the_study_itself(opened, add_study):
    app = opened("--runs", str(add_study("alone")))
    assert is_clean(app)
    assert app.selectbox(key="study").options == ["alone", "demo pair"]


@pytest.mark.parametrize("path", ["linear", "curvilinear"])
def test_between_shows_the_path_asked_for(opened, add_study, path):
    study = StudyFolder.open(add_study("one"))
    app = opened(view="Between", seed_path=path)
    assert is_clean(app)
    table = app.dataframe[0].value
    assert list(table["seed"]) == [0, 1]
    for seed, row in table.set_index("seed").iterrows():
        line = study.read(f"interpolation-{path}-seed-{seed}")
        assert row["distance of the minima"] == line.distance
        assert row["barrier, train loss"] == line.barriers["train"]
        assert row["barrier, test loss"] == line.barriers["test"]
    assert ("curvilinear" in str(specs(app)[0])) == (path == "curvilinear")


def test_between_shows_the_seeds_chosen(opened, add_study):
    add_study("one")
    app = opened(view="Between")
    app.button_group(key="seeds").set_value([1]).run()
    assert is_clean(app)
    assert list(app.dataframe[0].value["seed"]) == [1]
    app.button_group(key="seeds").set_value([]).run()
    assert is_clean(app)
    assert not specs(app)
    assert "at least one seed" in texts(app.info)[0]


def test_logarithmic_loss(opened, add_study):
    add_study("one")
    app = opened(view="Between")
    app.toggle(key="log").set_value(True).run()
    assert is_clean(app)
    assert "(log scale)" in str(specs(app)[0])


def test_training_tells_of_every_run(opened, add_study):
    runs = StudyFolder.open(add_study("one")).runs()
    app = opened(view="Training")
    table = app.dataframe[0].value.set_index("run")
    assert len(table) == len(runs) == 4
    for run in runs:
        settings = run.settings
        row = table.loc[
            f"{settings['batch']} batch {settings['batch_size']}, "
            f"seed {settings['seed']}"
        ]
        assert row["updates"] == run.history().num_updates
        assert row["last training loss"] == run.history().loss[-1]


def test_about_tells_the_formula_and_the_limits(opened, add_study):
    add_study("one")
    app = opened(view="About")
    assert r"\max" in app.latex[0].value
    text = " ".join(texts(app.markdown))
    for words in ("lower bound", "Dinh et al", "Batch normalisation"):
        assert words in text


def test_a_damaged_study(opened, add_study):
    add_study("whole")
    file = add_study("damaged") / "comparison.json"
    file.write_bytes(file.read_bytes()[:500])
    app = opened()
    assert not app.exception
    assert str(file) in texts(app.error)[0]
    app.selectbox(key="study").select("whole").run()
    assert is_clean(app)


@pytest.mark.parametrize(
    ("file", "view", "spared"),
    [
        ("pairs/interpolation-linear-seed-1.json", "Between", "Compare"),
        ("seed-0-batch-4/history.json", "Training", "Between"),
        (
            "seed-0-batch-4/measurements/hessian_eigenvalues.json",
            "Study",
            "Training",
        ),
    ],
)
def test_one_damaged_file_spares_the_other_tabs(
    opened, add_study, file, view, spared
):
    damaged = add_study("one") / file
    damaged.write_bytes(damaged.read_bytes()[:-50])
    app = opened(view=view)
    assert not app.exception
    assert str(damaged) in texts(app.error)[0]
    app = opened(view=spared)
    assert is_clean(app)
    assert len(specs(app)) == CHARTS[spared]


def put(file, at, value):
    """Another value in a JSON file, at a path of keys."""
    content = json.loads(file.read_text())
    place = content
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    file.write_text(json.dumps(content))


RUN = "seed-0-batch-4"
SHARPNESS = f"{RUN}/measurements/epsilon_sharpness-0.001-full.json"


@pytest.mark.parametrize(
    ("file", "at", "value", "view"),
    [
        (f"{RUN}/history.json", ("kind",), "Evaluation", "Training"),
        (f"{RUN}/history.json", ("loss",), [1.0], "Training"),
        (SHARPNESS, ("result", "value"), "large", "Compare"),
        (SHARPNESS, ("result", "objective"), None, "Compare"),
        (
            f"{RUN}/measurements/hessian_eigenvalues.json",
            ("result", "residuals"),
            None,
            "Study",
        ),
        (
            "pairs/interpolation-linear-seed-0.json",
            ("result", "losses", "train"),
            [1.0, 2.0],
            "Between",
        ),
        ("comparison.json", ("rows",), [], "Study"),
        ("comparison.json", ("rows", 0, "seed"), "none", "Study"),
        ("comparison.json", ("rows", 0, "sharpness_0.001_full"), {}, "Study"),
        ("comparison.json", ("settings", "plan"), 3, "Compare"),
        ("comparison.json", ("settings", "optimizer"), [], "Compare"),
        (f"{RUN}/run.json", ("settings", "seed"), "first", "Compare"),
        (f"{RUN}/run.json", ("settings", "batch_size"), [4], "Compare"),
    ],
)
def test_a_damaged_value_is_named_with_its_file(
    opened, add_study, file, at, value, view
):
    damaged = add_study("one") / file
    put(damaged, at, value)
    app = opened(view=view)
    assert not app.exception
    assert str(damaged) in " ".join(texts(app.error))


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_file_that_is_repaired_meanwhile(opened, add_study, keeps_time):
    file = add_study("one") / SHARPNESS
    whole, status = file.read_bytes(), file.stat()
    right = json.loads(whole)["result"]["value"]
    wrong = whole.replace(str(right).encode(), b"9" * len(str(right)))
    assert len(wrong) == len(whole)
    assert wrong != whole
    file.write_bytes(wrong)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    app = opened(view="Compare")
    column = app.dataframe[0].value["φ 0.001 (%)"]
    assert right not in column.to_numpy()
    file.write_bytes(whole)
    if keeps_time:  # as a copy of a backup does
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    app.run()
    assert is_clean(app)
    assert right in app.dataframe[0].value["φ 0.001 (%)"].to_numpy()


def test_a_run_that_was_deleted(opened, add_study):
    (add_study("one") / "seed-1-batch-40" / "run.json").unlink()
    app = opened(view="Study")
    assert not app.exception
    assert "no run with seed 1 and batch size 40" in texts(app.error)[0]


def test_without_the_report(opened, add_study):
    path = add_study("one")
    assert "Report (HTML)" in {b.label for b in opened().download_button}
    (path / "report.html").unlink()
    app = opened()
    assert is_clean(app)
    assert "Report (HTML)" not in {b.label for b in app.download_button}


def test_an_unfinished_study(opened, add_study):
    path = add_study("under way")
    (path / "comparison.json").unlink()
    (path / "seed-1-batch-40" / "model.keras").unlink()
    app = opened(view="Study")
    assert is_clean(app)
    assert "goes on where it stopped" in texts(app.info)[0]
    trained = app.dataframe[0].value.set_index("run")["trained"]
    assert not trained["seed-1-batch-40"]
    assert trained.sum() == 3


def test_another_kind_of_study(opened, runs):
    StudyFolder.create_or_open(runs / "sweep", {"study": "sweep"})
    app = opened(view="Study")
    assert is_clean(app)
    assert "goes on where it stopped" in texts(app.info)[0]


QUICK = {
    "seeds": 2,
    "plan": ks.studies.MeasurementPlan(
        epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=1, num_starts=1
    ),
    "training": {"epochs": 2, "optimizer": "sgd"},
    "progress": False,
}


def test_a_sweep_is_told_as_by_its_command(opened, runs):
    sweep = ks.studies.batch_size_sweep(
        build_model,
        half_plane(),
        batch_sizes=(4, 20, 40),
        out=runs / "sweep",
        **QUICK,
    )
    app = opened(view="Study")
    assert is_clean(app)
    shown = " ".join(texts(app.markdown)).replace("\N{NO-BREAK SPACE}", " ")
    for sentence in sweep.summary():
        assert sentence in shown
    assert app.dataframe[0].value.equals(sweep.table())
    (chart,) = specs(app)
    assert len(chart["concat"]) == 5
    app = opened(view="Minima")
    assert is_clean(app)


def test_groups_are_told_as_by_their_command(opened, runs):
    found = ks.studies.growing_batch(
        build_model,
        half_plane(),
        schedules={
            "small": 4,
            "grown": ks.training.GrowAt({1: 20}, initial=4),
        },
        out=runs / "grow",
        **QUICK,
    )
    app = opened(view="Study")
    assert is_clean(app)
    shown = " ".join(texts(app.markdown)).replace("\N{NO-BREAK SPACE}", " ")
    for sentence in found.summary():
        assert sentence in shown
    assert list(app.dataframe[0].value) == ["small", "grown"]
    assert len(specs(app)[0]["concat"]) == 5
    app = opened(view="Minima")
    assert is_clean(app)


def test_a_damaged_outcome_is_named(opened, runs):
    ks.studies.batch_size_sweep(
        build_model,
        half_plane(),
        batch_sizes=(4, 40),
        out=runs / "sweep",
        **QUICK,
    )
    (runs / "sweep" / "result.json").write_text("{}")
    app = opened(view="Study")
    assert not app.exception
    assert "result.json is damaged" in texts(app.error)[0]


@pytest.mark.parametrize("arguments", [["--run", "x"], ["--runs"]])
def test_wrong_options(opened, arguments):
    app = opened(*arguments)
    assert not app.exception
    assert "--runs FOLDER" in texts(app.error)[0]
