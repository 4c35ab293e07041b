import datetime
import importlib.metadata
import json
import platform

import pytest

from keras_sharpness.runs import RUN_FORMAT, RunFolder, RunFolderError
from keras_sharpness.version import __version__


@pytest.fixture
def path(tmp_path):
    """Path of a run folder."""
    RunFolder.create_or_open(tmp_path / "run", {"seed": 0}).close()
    return tmp_path / "run"


def change(path, function):
    file = path / "run.json"
    values = json.loads(file.read_text())
    function(values)
    file.write_text(json.dumps(values))


def test_what_the_file_holds(path):
    values = json.loads((path / "run.json").read_text())
    assert list(values) == ["settings", "versions", "created", "format"]
    assert values["format"] == RUN_FORMAT == 1
    assert values["settings"] == {"seed": 0}


def test_versions_and_date(path):
    run = RunFolder.open(path)
    packages = ("keras", "tensorflow", "numpy", "scipy")
    assert run.versions == {
        "keras_sharpness": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
    assert run.written_by == __version__
    created = datetime.datetime.fromisoformat(run.created)
    assert created.utcoffset() == datetime.timedelta(0)


def test_date_and_versions_stay_those_of_the_creation(path):
    def age(values):
        values["created"] = "2020-01-02T03:04:05+00:00"
        values["versions"]["numpy"] = "1.0"

    change(path, age)
    run = RunFolder.create_or_open(path, {"seed": 0})
    assert run.created == "2020-01-02T03:04:05+00:00"
    assert run.versions["numpy"] == "1.0"


def test_another_version_of_the_package_warns(path):
    change(path, lambda v: v["versions"].update(keras_sharpness="0.0.1"))
    with pytest.warns(UserWarning, match="was made by") as warnings:
        run = RunFolder.create_or_open(path, {"seed": 0})
    (warning,) = warnings
    assert str(warning.message) == (
        f"{path} was made by keras_sharpness 0.0.1, this is {__version__}: "
        "its numbers come from both."
    )
    assert warning.filename == __file__
    assert run.written_by == "0.0.1"
    # Without a warning, which would be an error here.
    assert RunFolder.open(path).written_by == "0.0.1"


@pytest.mark.parametrize("number", [2, 0, "1", None])
def test_another_format(path, number):
    def age(values):
        values["format"] = number
        values["versions"]["keras_sharpness"] = "9.8.7"
        # Unknown what else such a version would write.
        del values["settings"]

    change(path, age)
    for attempt in (
        RunFolder.open,
        lambda path: RunFolder.create_or_open(path, {"seed": 0}),
    ):
        with pytest.raises(RunFolderError) as error:
            attempt(path)
        assert str(error.value) == (
            f"{path / 'run.json'} has format {number!r}, written by "
            f"keras_sharpness 9.8.7. This is keras_sharpness {__version__}, "
            "which reads format 1. Install that version, or pass another "
            "folder (`--out`)."
        )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"format": 1',
        b"[]",
        b"3",
        b"null",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b'{"versions": [], "format": 1}',
        b'{"versions": {"keras_sharpness": "1"}, "format": 1}',
        b'{"versions": {"keras_sharpness": "1"}, "format": 1, "settings": [],'
        b' "created": "x"}',
    ],
    ids=lambda content: repr(content[:60]),
)
def test_damaged(path, content):
    (path / "run.json").write_bytes(content)
    for attempt in (
        RunFolder.open,
        lambda path: RunFolder.create_or_open(path, {"seed": 0}),
    ):
        with pytest.raises(RunFolderError) as error:
            attempt(path)
        message = str(error.value)
        assert message.startswith(f"{path / 'run.json'} is damaged (")
        assert message.endswith(
            "Delete the folder and repeat the work, or pass another folder "
            "(`--out`)."
        )
        assert "\n" not in message
    assert (path / "run.json").read_bytes() == content


def test_other_settings(path):
    with pytest.raises(RunFolderError) as error:
        RunFolder.create_or_open(path, {"seed": 1, "batch_size": 256})
    assert str(error.value) == (
        f"{path} was made with other settings: seed: 0 there, 1 asked for; "
        "batch_size: None there, 256 asked for. Repeat them, pass another "
        "folder (`--out`), or delete this one."
    )
    assert RunFolder.open(path).settings == {"seed": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {"a": (1, 2.5), "b": {"c": None}},
        {"a": float("nan"), "b": float("inf"), "c": -0.0},
        {"float": 1.0},
        {"a": {"float": 1.0}},
        {},
    ],
    ids=str,
)
def test_settings_are_recognised(tmp_path, settings):
    RunFolder.create_or_open(tmp_path / "run", settings).close()
    run = RunFolder.create_or_open(tmp_path / "run", settings)
    assert repr(run.settings) == repr(settings)


def test_settings_are_a_copy(path):
    run = RunFolder.open(path)
    run.settings["seed"] = 5
    run.versions["numpy"] = "?"
    assert run.settings == {"seed": 0}
    assert run.versions["numpy"] != "?"
