"""Files are written whole or not at all, and refused before the work."""

import contextlib
import os
import pathlib
import resource
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_sharpness.files import (
    TEMPORARY_PREFIX,
    check_file,
    check_folder,
    replaced_atomically,
    write_atomically,
)


def temporaries(folder):
    return [p for p in folder.iterdir() if p.name.startswith(TEMPORARY_PREFIX)]


def test_write_atomically_makes_and_replaces(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"one", b"two", b""):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_have_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a", b"")
        (tmp_path / "b").touch()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / n).stat().st_mode) for n in "ab"]
    assert modes[0] == modes[1] == 0o666 & ~umask


def test_temporary_file_ends_as_the_target_does(tmp_path):
    with replaced_atomically(tmp_path / "a.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert not temporary.exists()
        temporary.write_bytes(b"a")
    assert os.listdir(tmp_path) == ["a.weights.h5"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_failure_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail():
        with replaced_atomically(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path):
    """A limit on the size of files fails in the middle, as a full disk."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*none.*Make it"):
        write_atomically(tmp_path / "none" / "a", b"")


def bad_places(tmp_path):
    """Where no file can be written, with a word of the reason.

    The superuser may write where permissions say no, so none of these is a
    matter of permissions.
    """
    (tmp_path / "file").write_bytes(b"kept")
    (tmp_path / "folder").mkdir(exist_ok=True)
    return [
        (tmp_path / "file" / "a", "is a file"),
        (tmp_path / "none" / "a", "no folder"),
        (tmp_path / "folder", "is a folder"),
        (tmp_path / ("a" * 300), "cannot be written"),
        ("/dev/full", "no ordinary file"),
        ("/dev/null/a", "no folder|is a file"),
        ("/proc/a", "No such file|denied"),
    ]


def test_files_are_refused_where_none_can_be_written(tmp_path):
    for path, reason in bad_places(tmp_path):
        for write in (check_file, lambda path: write_atomically(path, b"")):
            with pytest.raises(OSError, match=reason) as caught:
                write(path)
            assert "\n" not in str(caught.value)
            assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert pathlib.Path("/dev/full").is_char_device()


def test_folders_are_refused_where_none_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/a", "/dev/null"):
        with pytest.raises(OSError, match="cannot be written: "):
            check_folder(path)
    with pytest.raises(FileNotFoundError, match="Make it first"):
        check_folder(tmp_path / "none" / "a", parents=False)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_proof_leaves_nothing(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    assert check_file(str(tmp_path / "old")) == tmp_path / "old"
    assert check_file(tmp_path / "new") == tmp_path / "new"
    assert check_folder(tmp_path / "deep" / "er").is_dir()
    assert sorted(os.listdir(tmp_path)) == ["deep", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.parametrize("path", [None, 3, True, "", b"a", ["a"], "a\0b"])
def test_what_is_no_path(path):
    for check in (check_file, check_folder):
        with pytest.raises(ValueError, match="`out` must be the path"):
            check(path, "out")


@pytest.fixture
def full_disk(tmp_path):
    """A folder in which there is no room for anything."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the superuser")
    with contextlib.suppress(OSError), (folder / "filler").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_found_before_the_work(full_disk):
    for check in (check_folder, lambda folder: check_file(folder / "a")):
        with pytest.raises(OSError, match="No space left") as caught:
            check(full_disk)
        assert "[Errno" not in str(caught.value)
    assert os.listdir(full_disk) == ["filler"]


WRITE_FOREVER = """
import itertools, sys
from keras_sharpness.files import write_atomically
size = 4_000_000
for i in itertools.count():
    write_atomically(sys.argv[1], bytes([i % 251]) * size)
    if i == 0:
        print("ready", flush=True)
"""


def test_kill_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "a"
    generator = np.random.default_rng(0)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, path], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(generator.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert len(content) == 4_000_000
        assert len(set(content)) == 1
    others = set(tmp_path.iterdir()) - {path}
    assert others == set(temporaries(tmp_path))


def test_temporary_files_are_hidden():
    """Leftovers of a kill must not make a folder look used."""
    assert TEMPORARY_PREFIX.startswith(".")
