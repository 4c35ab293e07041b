import json

import pytest

from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder


@pytest.fixture
def study(tmp_path):
    """An empty study, open for writing."""
    return StudyFolder.create_or_open(tmp_path / "study", {"networks": ["F1"]})


def test_layout(study, number):
    study.run("F1-256", {"batch_size": 256}).write("a", number(1.0), {})
    study.write("line", number(2.0), {"alphas": [0, 1]})
    study.path_of("report.html").write_text("report")
    files = {
        str(path.relative_to(study.path))
        for path in study.path.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    assert files == {
        "study.json",
        "report.html",
        "pairs/line.json",
        "F1-256/run.json",
        "F1-256/measurements/a.json",
    }


def test_runs_are_sorted_and_open_for_reading(study, number):
    for name in ("b", "a-2", "a-10"):
        study.run(name, {"name": name})
    # Neither of these is a run: a folder of tables, and one whose maker was
    # killed before it said what it is.
    (study.path / "tables").mkdir()
    (study.path / "early").mkdir()
    (study.path / "early" / ".lock").touch()
    for opened in (study, StudyFolder.open(study.path)):
        runs = opened.runs()
        assert isinstance(runs, tuple)
        assert [run.name for run in runs] == ["a-10", "a-2", "b"]
        assert runs[0].settings == {"name": "a-10"}
        with pytest.raises(RunFolderError, match="open for reading only"):
            runs[0].write("a", number(1.0), {})


def test_measurements_of_pairs_are_none_of_the_runs(study, number):
    study.write("a", number(1.0), {})
    assert study.runs() == ()
    assert study.measurements() == ("a",)


def test_run_is_opened_again(study):
    study.run("a", {"seed": 0}).close()
    assert study.run("a", {"seed": 0}).created
    message = r"a was made with other settings: seed: 0 there, 1 asked for\."
    with pytest.raises(RunFolderError, match=message):
        study.run("a", {"seed": 1})


def test_study_open_for_reading_makes_no_runs(study):
    opened = StudyFolder.open(study.path)
    with pytest.raises(RunFolderError, match="open for reading only"):
        opened.run("a", {})
    assert not (study.path / "a").exists()


def test_other_settings_of_the_study(study):
    message = r"networks: \['F1'\] there, \['F1', 'C1'\] asked for\. Repeat"
    with pytest.raises(RunFolderError, match=message):
        StudyFolder.create_or_open(study.path, {"networks": ["F1", "C1"]})


@pytest.mark.parametrize("name", ["pairs", "study.json"])
def test_names_that_the_study_needs(study, name):
    with pytest.raises(ValueError, match="`name` must be none of the names"):
        study.run(name, {})
    with pytest.raises(ValueError, match="`filename` must be none of the"):
        study.path_of(name)


@pytest.mark.parametrize("name", ["../a", ".lock", "a/b", ""])
def test_names_stay_inside_of_the_study(study, name):
    with pytest.raises(ValueError, match="`name` must consist of"):
        study.run(name, {})
    with pytest.raises(ValueError, match="`filename` must consist of"):
        study.path_of(name)


def test_path_of_makes_nothing(study):
    opened = StudyFolder.open(study.path)
    assert opened.path_of("table.csv") == study.path / "table.csv"
    assert not (study.path / "table.csv").exists()


def test_damaged_run_is_named(study):
    study.run("a", {}).close()
    study.run("b", {}).close()
    (study.path / "b" / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"b/run\.json is damaged"):
        study.runs()


def test_run_of_another_format_is_named(study):
    study.run("a", {}).close()
    file = study.path / "a" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 7}))
    with pytest.raises(RunFolderError, match=r"a/run\.json has format 7"):
        StudyFolder.open(study.path).runs()


def test_run_stands_on_its_own(study):
    study.run("a", {"seed": 3}).close()
    assert RunFolder.open(study.path / "a").settings == {"seed": 3}
