import json
import os
import resource
import signal
import threading
import time

import numpy as np
import pytest

from keras_sharpness.files import TEMPORARY_PREFIX
from keras_sharpness.results import Result
from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder
from keras_sharpness.saving import KerasSharpnessError

KINDS = pytest.mark.parametrize("kind", [RunFolder, StudyFolder])


@pytest.fixture(params=[RunFolder, StudyFolder])
def folder(request, tmp_path):
    """A folder of each kind, open for writing."""
    with request.param.create_or_open(tmp_path / "folder", {"seed": 0}) as new:
        yield new


def again(folder):
    return type(folder).open(folder.path)


# -- opening ------------------------------------------------------------------


@KINDS
def test_create_and_open(tmp_path, kind):
    path = tmp_path / "above" / "name"
    made = kind.create_or_open(str(path), {"a": 1, "b": [1, 2]})
    made.close()
    for folder in (
        made,
        kind.open(str(path)),
        kind.create_or_open(path, {"b": (1, 2), "a": 1}),
    ):
        assert folder.path == path
        assert folder.name == "name"
        assert folder.settings == {"a": 1, "b": (1, 2)}
        assert folder.measurements() == ()
        assert repr(folder) == f"{kind.__name__}({str(path)!r})"


def test_name_of_the_current_folder(tmp_path, monkeypatch):
    RunFolder.create_or_open(tmp_path / "run", {})
    monkeypatch.chdir(tmp_path / "run")
    assert RunFolder.open(".").name == "run"


@KINDS
def test_open_changes_nothing(tmp_path, kind, number):
    with kind.create_or_open(tmp_path / "folder", {}) as folder:
        folder.write("a", number(1.0), {})
    (folder.path / f"{TEMPORARY_PREFIX}x").touch()

    def listing():
        return {
            path: path.stat().st_mtime_ns
            for path in sorted(folder.path.rglob("*"))
        }

    before = listing()
    opened = kind.open(folder.path)
    opened.read("a")
    assert listing() == before


@KINDS
def test_open_without_a_folder(tmp_path, kind):
    noun, file = kind._noun, kind._file
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    cases = {
        "none": "there is none. Check the name and the folder above "
        f"({tmp_path}).",
        "file": "it is a file. Check the name and the folder above "
        f"({tmp_path}).",
        "empty": f"it holds no {file}. Pass a folder that holds one.",
    }
    for name, reason in cases.items():
        path = tmp_path / name
        with pytest.raises(RunFolderError) as error:
            kind.open(path)
        expected = f"{path} is no folder of a {noun}: {reason}"
        assert str(error.value) == expected
    assert not (tmp_path / "none").exists()


@KINDS
def test_path_that_is_a_file(tmp_path, kind):
    path = tmp_path / "file"
    path.write_text("precious")
    message = r"file is a file, not a folder\. Pass another folder \(`--out`\)"
    with pytest.raises(RunFolderError, match=message):
        kind.create_or_open(path, {})
    assert path.read_text() == "precious"


@KINDS
@pytest.mark.parametrize(
    "path", ["file/below", "file/below/deeper", "/proc/nope", "x" * 300]
)
def test_path_at_which_no_folder_can_be(tmp_path, kind, path):
    """Root may write where permissions forbid it, but not here."""
    (tmp_path / "file").touch()
    path = tmp_path / path
    with pytest.raises(RunFolderError) as error:
        kind.create_or_open(path, {})
    message = str(error.value)
    assert message.startswith(f"{path} cannot be ")
    assert message.endswith("or pass another folder (`--out`).")
    assert "\n" not in message


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
@KINDS
def test_folder_without_permission(tmp_path, kind):
    (tmp_path / "folder").mkdir(mode=0o500)
    message = r"cannot be written \(Permission denied\)\. Check the path"
    with pytest.raises(RunFolderError, match=message):
        kind.create_or_open(tmp_path / "folder", {})


@KINDS
def test_folder_that_exists_but_takes_no_files(kind):
    """/proc/self is a folder, and not even root can make a file there."""
    with pytest.raises(RunFolderError):
        kind.create_or_open("/proc/self/fdinfo", {})


@KINDS
def test_folder_of_something_else(tmp_path, kind):
    for name in ("thesis.tex", "a", "b", "c", ".hidden"):
        (tmp_path / name).touch()
    with pytest.raises(RunFolderError) as error:
        kind.create_or_open(tmp_path, {})
    assert str(error.value) == (
        f"{tmp_path} is no folder of a {kind._noun}: it holds a, b, c, …, but "
        f"no {kind._file}. Pass another folder (`--out`), new or empty."
    )
    assert len(list(tmp_path.iterdir())) == 5


def test_study_is_no_run_and_run_is_no_study(tmp_path):
    RunFolder.create_or_open(tmp_path / "run", {})
    StudyFolder.create_or_open(tmp_path / "study", {})
    for kind, name in ((RunFolder, "study"), (StudyFolder, "run")):
        for attempt in (kind.open, lambda p, k=kind: k.create_or_open(p, {})):
            with pytest.raises(
                RunFolderError, match=f"holds.* no {kind._file}"
            ):
                attempt(tmp_path / name)


@KINDS
def test_folder_whose_maker_was_killed_early(tmp_path, kind):
    """The lock, and half of the description, are all there is."""
    (tmp_path / ".lock").write_text("123 on host")
    (tmp_path / f"{TEMPORARY_PREFIX}x-{kind._file}").write_text("{")
    assert kind.create_or_open(tmp_path, {"a": 1}).settings == {"a": 1}


@KINDS
def test_settings_are_checked_before_anything_is_made(tmp_path, kind):
    with pytest.raises(TypeError, match="must be a dict"):
        kind.create_or_open(tmp_path / "folder", None)
    assert not (tmp_path / "folder").exists()


def test_errors_have_one_base():
    assert issubclass(RunFolderError, KerasSharpnessError)


# -- leftovers ----------------------------------------------------------------


def leftovers(path, age):
    """Files in the making, last changed some seconds ago, and others."""
    (path / "measurements").mkdir(exist_ok=True)
    (path / "pairs").mkdir(exist_ok=True)
    ours = [
        path / f"{TEMPORARY_PREFIX}0a1b-model.keras",
        path / "measurements" / f"{TEMPORARY_PREFIX}0a1b-a.json",
        path / "pairs" / f"{TEMPORARY_PREFIX}0a1b-a.json",
    ]
    foreign = [path / ".tmpfile", path / "notes.tmp", path / "tmp-x"]
    for file in ours + foreign:
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    return ours, foreign


def test_run_sweeps_all_leftovers_in_its_folders(tmp_path):
    RunFolder.create_or_open(tmp_path, {}).close()
    # More than the granularity of the file system's clock.
    ours, foreign = leftovers(tmp_path, age=1.0)
    RunFolder.create_or_open(tmp_path, {})
    assert [file.exists() for file in ours] == [False, False, True]
    assert all(file.exists() for file in foreign)


def test_study_sweeps_only_what_nobody_can_be_writing(tmp_path):
    StudyFolder.create_or_open(tmp_path, {})
    ours, _ = leftovers(tmp_path, age=60.0)
    StudyFolder.create_or_open(tmp_path, {})
    assert all(file.exists() for file in ours)
    ours, foreign = leftovers(tmp_path, age=3700.0)
    StudyFolder.create_or_open(tmp_path, {})
    assert [file.exists() for file in ours] == [False, True, False]
    assert all(file.exists() for file in foreign)


def test_second_opening_leaves_the_first_ones_files(tmp_path):
    """One thread opens the run while another is in the middle of a file."""
    with RunFolder.create_or_open(tmp_path, {}):
        file = tmp_path / f"{TEMPORARY_PREFIX}0a1b-model.keras"
        file.touch()
        RunFolder.create_or_open(tmp_path, {})
        assert file.exists()


def test_threads_write_to_one_run(tmp_path, number):
    errors = []

    def work(thread):
        try:
            for i in range(10):
                with RunFolder.create_or_open(tmp_path, {}) as run:
                    run.write(f"{thread}-{i}", number(thread), {})
        except RunFolderError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(RunFolder.open(tmp_path).measurements()) == 60


# -- measurements -------------------------------------------------------------


def test_write_and_read(folder, number):
    vector = np.random.default_rng(0).normal(size=3000)
    folder.write("b-1e-3", number(np.inf, vector), {"epsilon": 1e-3})
    folder.write("a", number(2.0), {"k": (1, 2)})
    for opened in (folder, again(folder)):
        assert opened.measurements() == ("a", "b-1e-3")
        result = opened.read("b-1e-3")
        assert type(result) is type(number(0.0))
        assert result.value == np.inf
        np.testing.assert_array_equal(result.vector, vector)
        values = opened.read_values("b-1e-3")
        assert values["kind"] == "Number"
        assert values["value"] == np.inf
        np.testing.assert_array_equal(values["vector"], vector)
        assert opened.settings_of("a") == {"k": (1, 2)}


def test_file_of_a_measurement(folder, number):
    folder.write("a", number(2.0), {"seed": 3})
    (file,) = folder.path.glob("*/*.json")
    assert file.parent.name in ("measurements", "pairs")
    values = json.loads(file.read_text())
    assert list(values) == ["settings", "versions", "created", "result"]
    assert values["settings"] == {"seed": 3}
    assert values["versions"] == folder.versions
    assert values["created"] >= folder.created
    assert Result.from_dict(values["result"]).value == 2.0


def test_has(folder, number):
    settings = {"epsilon": 1e-3, "dims": [1, 2]}
    assert not folder.has("a", settings)
    folder.write("a", number(1.0), settings)
    for opened in (folder, again(folder)):
        assert opened.has("a", settings)
        assert opened.has("a", {"dims": (1, 2), "epsilon": 0.001, "new": None})
        assert not opened.has("a", {"epsilon": 5e-4, "dims": [1, 2]})
        assert not opened.has("a", {"epsilon": 1e-3})
        assert not opened.has("a", {**settings, "seed": 0})
        assert not opened.has("b", settings)


def test_other_settings_replace(folder, number):
    folder.write("a", number(1.0), {"epsilon": 1e-3})
    folder.write("a", number(2.0), {"epsilon": 5e-4})
    assert folder.measurements() == ("a",)
    assert not folder.has("a", {"epsilon": 1e-3})
    assert folder.has("a", {"epsilon": 5e-4})
    assert folder.read("a").value == 2.0


def test_names_with_dots(folder, number):
    """`1e-3.5` and `1e-3.6` must not become one file."""
    for name in ("v-1.5", "v-1.6", "v-1", "v-1.json"):
        folder.write(name, number(1.0), {"name": name})
    assert folder.measurements() == ("v-1", "v-1.5", "v-1.6", "v-1.json")
    assert folder.has("v-1.5", {"name": "v-1.5"})


def test_reading_what_is_not_there(folder, number):
    for expected in ("none", "a, b"):
        for method in ("read", "read_values", "settings_of"):
            with pytest.raises(RunFolderError) as error:
                getattr(folder, method)("c")
            assert str(error.value) == (
                f"{folder.path} holds no measurement 'c'. It holds: {expected}."
            )
        folder.write("b", number(1.0), {})
        folder.write("a", number(1.0), {})


@pytest.mark.parametrize("name", ["../a", "", "a/b", ".tmp-a"])
def test_names_stay_inside_of_the_folder(folder, number, name):
    for attempt in (
        lambda: folder.has(name, {}),
        lambda: folder.read(name),
        lambda: folder.read_values(name),
        lambda: folder.settings_of(name),
        lambda: folder.write(name, number(1.0), {}),
    ):
        with pytest.raises(ValueError, match="`name` must consist of"):
            attempt()


def test_writing_what_cannot_be_written_keeps_what_was_there(folder, number):
    folder.write("a", number(1.0), {})
    for result, settings in (
        (number(object()), {}),
        ({"value": 1.0}, {}),
        (number(2.0), None),
        (number(2.0), {"a": object()}),
    ):
        with pytest.raises(TypeError):
            folder.write("a", result, settings)
    assert folder.read("a").value == 1.0


def test_folder_open_for_reading_takes_no_writing(folder, number):
    folder.write("a", number(1.0), {})
    message = r"is open for reading only\. Open it with `\w+\.create_or_open"
    with pytest.raises(RunFolderError, match=message):
        again(folder).write("a", number(2.0), {})
    folder.close()
    with pytest.raises(RunFolderError, match=message):
        folder.write("a", number(2.0), {})
    assert folder.read("a").value == 1.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"settings": {}',
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"settings": 1, "versions": {}, "created": "", "result": {}}',
        b'{"settings": {}, "versions": {}, "created": "", "result": 1}',
    ],
    ids=lambda content: repr(content[:50]),
)
def test_damaged_measurement(folder, number, content):
    folder.write("a", number(1.0), {})
    (file,) = folder.path.glob("*/a.json")
    file.write_bytes(content)
    for attempt in (
        lambda: folder.has("a", {}),
        lambda: folder.read("a"),
        lambda: folder.read_values("a"),
        lambda: folder.settings_of("a"),
    ):
        with pytest.raises(RunFolderError) as error:
            attempt()
        message = str(error.value)
        assert message.startswith(f"{file} cannot be read (")
        assert message.endswith(
            "If it is damaged, delete it and measure again."
        )
        assert "\n" not in message
    # The advice helps; so does measuring again at once.
    folder.write("a", number(2.0), {})
    assert folder.read("a").value == 2.0


def test_damaged_array(folder, number):
    folder.write("a", number(1.0, np.ones(2000)), {})
    (file,) = folder.path.glob("*/a.json")
    file.write_text(file.read_text().replace('"packed": "', '"packed": "~~'))
    assert folder.has("a", {})
    for method in (folder.read, folder.read_values):
        with pytest.raises(RunFolderError, match="a damaged array or number"):
            method("a")


def test_result_of_an_unknown_class(folder, number):
    """A newer version wrote it, or a script of the user's own."""
    folder.write("a", number(1.0), {})
    (file,) = folder.path.glob("*/a.json")
    file.write_text(file.read_text().replace('"Number"', '"Unheard"'))
    with pytest.raises(RunFolderError, match=r"kind='Unheard'.*Import"):
        folder.read("a")
    assert folder.read_values("a")["value"] == 1.0


def test_folder_that_was_deleted_meanwhile(folder, number):
    for path in sorted(folder.path.rglob("*"), reverse=True):
        path.unlink()
    folder.path.rmdir()
    message = r"cannot be written \((there is no folder|No such file)"
    with pytest.raises(RunFolderError, match=message):
        folder.write("a", number(1.0), {})


def test_full_disk_keeps_what_was_there(folder, number):
    """A limit on the size of files fails in the middle, as a full disk."""
    folder.write("a", number(1.0), {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(RunFolderError, match=r"written \(File too large\)"):
            folder.write("a", number(2.0, np.ones(500)), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert folder.read("a").value == 1.0
    assert not list(folder.path.rglob(f"{TEMPORARY_PREFIX}*"))


DIE_WHILE_WRITING = """
import dataclasses, resource, signal, sys
from keras_sharpness.results import Result
from keras_sharpness.runs import RunFolder

@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Text(Result):
    text: str

run = RunFolder.create_or_open(sys.argv[1], {"seed": 0})
run.write("a", Text(text="old"), {"version": "old"})
# A signal that no Python code sees ends the process when a file gets longer.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
run.write("a", Text(text="new" * 5000), {"version": "new"})
"""


def test_kill_in_the_middle_of_a_file_keeps_the_old_one(tmp_path, python):
    """The test of `write_atomically` kills at other moments."""
    path = tmp_path / "run"
    process = python(DIE_WHILE_WRITING, path)
    process.communicate()
    assert process.returncode == -signal.SIGXFSZ
    (half,) = (path / "measurements").glob(f"{TEMPORARY_PREFIX}*")
    assert half.stat().st_size == 5000
    assert RunFolder.open(path).read_values("a")["text"] == "old"
    # More than the granularity of the file system's clock.
    time.sleep(0.05)
    run = RunFolder.create_or_open(path, {"seed": 0})
    assert run.has("a", {"version": "old"})
    names = {file.name for file in path.rglob("*")}
    assert names == {".lock", "run.json", "measurements", "a.json"}
