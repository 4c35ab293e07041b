"""Files made to do harm: each is built here, refused, and does nothing.

Every file goes through `inspect_model` and `load_model`, and through a process
of its own in which neither Keras nor any code from a file may turn up. What a
file would do if it were loaded is to write into the folder that holds it, or to
fill the memory.
"""

import os
import subprocess
import sys
import tempfile
import tracemalloc

import pytest

from keras_sharpness.saving import (
    Limits,
    inspect_model,
    load_model,
)

# Each of the five enters its files.
from tests.saving import (  # noqa: F401
    hostile_archives,
    hostile_configurations,
    hostile_graphs,
    hostile_layers,
    hostile_weights,
)
from tests.saving.hostile import HOSTILE


@pytest.fixture(scope="module")
def folders(small, tmp_path_factory):
    """A folder for each hostile file, with what it would touch."""
    root = tmp_path_factory.mktemp("hostile")
    found = {}
    for name, (build, _, _) in HOSTILE.items():
        folder = root / name
        folder.mkdir()
        (folder / "evil_module.py").write_text(
            f"open({str(folder / 'canary')!r}, 'w').close()\n"
        )
        build(small, folder / "evil.keras")
        found[name] = folder
    return found


def contents_of(folder):
    """All files below a folder, with their contents."""
    return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*")}


def test_there_are_many():
    assert len(HOSTILE) >= 25


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_and_nothing_touched(folders, tmp_path, monkeypatch, name):
    folder, (_, match, error) = folders[name], HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.syspath_prepend(folder)
    before, environment = contents_of(folder), dict(os.environ)
    path = folder / "evil.keras"
    tracemalloc.start()
    try:
        for read in (inspect_model, load_model):
            for source in (path, path.read_bytes()):
                with pytest.raises(error, match=match) as caught:
                    read(source, limits=Limits())
                # Subclasses would pass, too.
                assert caught.type is error
                assert "\n" not in str(caught.value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert contents_of(folder) == before
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == environment
    assert "evil_module" not in sys.modules
    # The largest of the bombs would need 64 MiB, most of them far more; what
    # is read of a file has less than one, and its values tens of them.
    # The smallest of the bombs is 64 MiB. Files are below 1 MiB, and JSON may
    # have 5 MiB.
    assert peak < 32 << 20


def test_refused_before_keras_and_without_running_anything(folders, small):
    """In a process that notes every file it opens and all code it runs."""
    code = """
import os, sys
from keras_sharpness.saving import Limits, ModelFileError, inspect_model
inspect_model(sys.argv[1], limits=Limits())  # all modules are imported now
python = [sys.executable, "-P", "-m", "keras_sharpness.saving.stored_arrays"]
watched = ("exec", "import", "marshal.", "pickle.", "open", "os.", "shutil.",
           "socket.", "subprocess.", "tempfile.", "ctypes.")
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
own, events = None, []
def note(event, arguments):
    if event.startswith(watched):
        reads = event == "open" and str(arguments[0]) == own
        # Weights are looked through by a process that is given them by pipes.
        pipes = event == "open" and isinstance(arguments[0], int)
        walks = event == "subprocess.Popen" and arguments[1][:4] == python
        null = event == "open" and arguments[0] == os.devnull
        if not (pipes or walks or null) and (
            not reads or arguments[2] & writing
        ):
            events.append((event, repr(arguments)[:200]))
sys.addaudithook(note)
accepted = 0
for folder in sys.argv[2:]:
    own = folder + "/evil.keras"
    try:
        inspect_model(own, limits=Limits())
        accepted += 1
    except ModelFileError:
        pass
heavy = {"keras", "tensorflow", "evil_module"} & set(sys.modules)
print(accepted, sorted(heavy), events)
"""
    command = [sys.executable, "-c", code, small, *folders.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 [] []"
