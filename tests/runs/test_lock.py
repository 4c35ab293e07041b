import gc
import os
import shutil
import signal
import socket
import threading

import pytest

from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder

HOLD = """
import sys
from keras_sharpness.runs import RunFolder
run = RunFolder.create_or_open(sys.argv[1], {"seed": 0})
print("open", flush=True)
sys.stdin.read()
"""


def create(path):
    return RunFolder.create_or_open(path, {"seed": 0})


def test_second_process_is_refused(tmp_path, python):
    path = tmp_path / "run"
    process = python(HOLD, path)
    assert process.stdout.readline() == "open\n"
    with pytest.raises(RunFolderError) as error:
        create(path)
    assert str(error.value) == (
        f"{path} is in use by process {process.pid} on "
        f"{socket.gethostname()}. Wait for it or stop it, or pass another "
        "folder (`--out`)."
    )
    # Reading goes on.
    assert RunFolder.open(path).settings == {"seed": 0}


@pytest.mark.parametrize("how", ["end", "kill"])
def test_lock_goes_with_its_process(tmp_path, python, how):
    process = python(HOLD, tmp_path / "run")
    assert process.stdout.readline() == "open\n"
    if how == "kill":
        process.send_signal(signal.SIGKILL)
    process.communicate()
    create(tmp_path / "run")


TRY = """
import sys
from keras_sharpness.runs import RunFolder, RunFolderError
try:
    RunFolder.create_or_open(sys.argv[1], {"seed": 0})
    print("mine")
except RunFolderError as error:
    print("refused" if " is in use by process " in str(error) else error)
"""


@pytest.fixture
def other(python):
    """What another process gets that wants to write."""

    def attempt(path):
        output, _ = python(TRY, path).communicate()
        return output.strip()

    return attempt


def test_closed_folder_is_free(tmp_path, other):
    with create(tmp_path / "run") as run:
        assert other(run.path) == "refused"
    assert other(run.path) == "mine"
    run.close()  # again, without effect
    assert other(run.path) == "mine"


def test_forgotten_folder_is_free(tmp_path, other):
    run = create(tmp_path / "run")
    assert other(run.path) == "refused"
    path = run.path
    del run
    gc.collect()
    assert other(path) == "mine"


def test_folder_refused_for_its_settings_is_free(tmp_path, other):
    """Though the error, which knows the frames, is still there."""
    create(tmp_path / "run").close()
    with pytest.raises(RunFolderError) as error:
        RunFolder.create_or_open(tmp_path / "run", {"seed": 1})
    assert other(tmp_path / "run") == "mine"
    assert "seed" in str(error.value)


def test_one_process_opens_twice(tmp_path, other, number):
    """As in a notebook, a cell executed again."""
    first = create(tmp_path / "run")
    second = create(str(tmp_path / "sub" / ".." / "run"))
    first.close()
    assert other(tmp_path / "run") == "refused"
    second.write("a", number(1.0), {})
    second.close()
    assert other(tmp_path / "run") == "mine"


def test_many_threads_open_and_close(tmp_path, other):
    def work():
        for _ in range(20):
            create(tmp_path / "run").close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with create(tmp_path / "run"):
        assert other(tmp_path / "run") == "refused"
    assert other(tmp_path / "run") == "mine"


def test_folder_deleted_and_made_anew(tmp_path, other, number):
    """What the error about other settings advises."""
    old = create(tmp_path / "run")
    shutil.rmtree(old.path)
    new = create(tmp_path / "run")
    assert other(tmp_path / "run") == "refused"
    old.close()
    assert other(tmp_path / "run") == "refused"
    create(tmp_path / "run").close()
    new.write("a", number(1.0), {})
    new.close()
    assert other(tmp_path / "run") == "mine"


FORK = """
import os, sys
from keras_sharpness.runs import RunFolder, RunFolderError
run = RunFolder.create_or_open(sys.argv[1], {})
if os.fork() == 0:
    try:
        RunFolder.create_or_open(sys.argv[1], {})
    except RunFolderError as error:
        owner = f"in use by process {os.getppid()} "
        os._exit(7 if owner in str(error) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_child_is_another_process(tmp_path, python):
    output, _ = python(FORK, tmp_path / "run").communicate()
    assert output == "7\n"


STUDY = """
import sys
from keras_sharpness.runs import StudyFolder
study = StudyFolder.create_or_open(sys.argv[1], {"network": "F1"})
run = study.run(sys.argv[2], {})
print("open", flush=True)
sys.stdin.read()
"""


def test_two_processes_write_different_runs_of_a_study(tmp_path, python):
    process = python(STUDY, tmp_path / "study", "first")
    assert process.stdout.readline() == "open\n"
    study = StudyFolder.create_or_open(tmp_path / "study", {"network": "F1"})
    study.run("second", {})
    with pytest.raises(RunFolderError, match=r"first is in use by process"):
        study.run("first", {})


def test_many_processes_make_one_study(tmp_path, python):
    processes = [python(STUDY, tmp_path / "study", f"run{i}") for i in range(4)]
    for process in processes:
        assert process.stdout.readline() == "open\n"
    study = StudyFolder.open(tmp_path / "study")
    assert [run.name for run in study.runs()] == [f"run{i}" for i in range(4)]
