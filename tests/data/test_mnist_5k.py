"""The data set that ships with the package."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_sharpness import data

FOLDER = pathlib.Path(data.__file__).parent / "mnist_5k"


@pytest.fixture(scope="module")
def archive():
    """The arrays as they are shipped."""
    with np.load(FOLDER / "mnist_5k.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder in which `mnist_5k` is prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    data.load(data_dir=folder)
    return folder


@pytest.mark.parametrize("split", ["train", "test"])
def test_digits_are_the_archive_s_in_its_order(folder, archive, split):
    digits = data.load(data_dir=folder)

    x, y = getattr(digits, f"x_{split}"), getattr(digits, f"y_{split}")
    pixels = archive[f"x_{split}"][..., np.newaxis]
    assert x.dtype == "float32"
    np.testing.assert_array_equal(x, pixels.astype("float32") / 255)
    np.testing.assert_array_equal(y, archive[f"y_{split}"])


def test_archive_holds_the_first_digits_of_each_class(archive):
    for split, number in (("train", 400), ("test", 100)):
        labels, places = archive[f"y_{split}"], archive[f"{split}_index"]
        np.testing.assert_array_equal(np.bincount(labels), [number] * 10)
        assert (np.diff(places) > 0).all()
        # Until one class is complete, nothing can have been left out.
        complete = min(places[labels == digit].max() for digit in range(10))
        np.testing.assert_array_equal(
            places[places <= complete], np.arange(complete + 1)
        )


def test_names_and_licence(folder):
    digits = data.load("mnist_5k", data_dir=folder, download=False)

    assert digits.name == "mnist_5k"
    assert digits.num_classes == 10
    assert digits.input_shape == (28, 28, 1)
    assert digits.class_names == tuple("0123456789")
    assert "CC BY-SA 3.0" in digits.licence
    note = (FOLDER / "LICENSE.md").read_text()
    assert "CC BY-SA 3.0" in note
    assert "Corinna Cortes" in note


def test_prepares_quietly_and_without_download(tmp_path, capfd):
    data.load(data_dir=tmp_path, download=False)

    output = capfd.readouterr()
    assert output.out == ""
    assert "mnist_5k" not in output.err


def test_tfds_itself_reads_it(folder):
    """Whoever knows TFDS finds a data set as any other."""
    examples = tfds.load("mnist_5k", data_dir=folder, split="test[:3]")

    assert [int(example["label"]) for example in examples] == [7, 2, 1]


def test_folder_that_cannot_be_written_to(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()

    for folder in (blocked, blocked / "below"):
        with pytest.raises(OSError, match="Cannot write to") as caught:
            data.load(data_dir=folder)
        message = str(caught.value)
        assert str(folder) in message
        assert "TFDS_DATA_DIR" in message
        assert "\n" not in message


def test_default_folder_is_that_of_tfds(tmp_path):
    script = "import keras_sharpness as ks; ks.data.load(test_split='test[:5]')"
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path)},
    )

    assert (tmp_path / "mnist_5k" / "1.0.0" / "dataset_info.json").is_file()


def test_whole_it_needs_no_framework(archive):
    """Nor a folder: in a process of its own, to see what is loaded."""
    script = """
import sys
import keras_sharpness as ks
digits = ks.data.load()
loaded = {"keras", "tensorflow", "tensorflow_datasets", "jax", "torch"}
assert not loaded & set(sys.modules), loaded & set(sys.modules)
assert digits.x_train.sum() > 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    digits = data.load()
    for split in ("train", "test"):
        np.testing.assert_array_equal(
            getattr(digits, f"x_{split}"),
            archive[f"x_{split}"][..., np.newaxis].astype("float32") / 255,
        )
        np.testing.assert_array_equal(
            getattr(digits, f"y_{split}"), archive[f"y_{split}"]
        )


def test_it_is_what_tensorflow_datasets_hands_over(folder):
    inside, prepared = data.load(), data.load(data_dir=folder)
    for name, value in vars(prepared).items():
        np.testing.assert_array_equal(getattr(inside, name), value)


def test_two_processes_prepare_at_once(tmp_path, archive):
    """Both get all digits; one of the two prepared folders stays."""
    script = """
import pathlib, sys, time
import numpy as np
import tensorflow
from keras_sharpness import data
from keras_sharpness.data import mnist_5k

folder = pathlib.Path(sys.argv[1])
(folder / sys.argv[2]).touch()
while not (folder / "go").exists():
    time.sleep(0.002)
digits = data.load(data_dir=folder / "tfds")
np.savez(folder / f"{sys.argv[2]}.npz", x=digits.x_train, y=digits.y_train)
"""
    names = ("first", "second")
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name])
        for name in names
    ]
    while not all((tmp_path / name).exists() for name in names):
        assert all(process.poll() is None for process in running)
        time.sleep(0.01)
    (tmp_path / "go").touch()

    assert [process.wait() for process in running] == [0, 0]
    expected = archive["x_train"][..., np.newaxis].astype("float32") / 255
    for name in names:
        with np.load(tmp_path / f"{name}.npz") as digits:
            np.testing.assert_array_equal(digits["x"], expected)
            np.testing.assert_array_equal(digits["y"], archive["y_train"])
    assert [
        path.name for path in (tmp_path / "tfds" / "mnist_5k").iterdir()
    ] == ["1.0.0"]
