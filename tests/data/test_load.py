"""Data sets of TensorFlow Datasets, real ones and small ones made here."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_sharpness import data

PREPARED = os.environ.get("KERAS_SHARPNESS_DATA", "")
needs_mnist = pytest.mark.skipif(
    not (PREPARED and pathlib.Path(PREPARED, "mnist").is_dir()),
    reason="KERAS_SHARPNESS_DATA names no TFDS folder that holds mnist",
)


class Small(tfds.core.GeneratorBasedBuilder):
    """A tiny image set; its configurations say what is odd about it."""

    name = "keras_sharpness_small"
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name)
        for name in ("usual", "validation", "training", "sized", "unlabelled")
    ]

    def _info(self):
        kind = self.builder_config.name
        shape = (None, None, 3) if kind == "sized" else (5, 4, 3)
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "picture": tfds.features.Image(shape=shape),
                    "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
                    "comment": tfds.features.Text(),
                }
            ),
            supervised_keys=(
                None if kind == "unlabelled" else ("picture", "kind")
            ),
            license="CC0",
            homepage="https://example.org",
        )

    def _split_generators(self, dl_manager):
        splits = {
            "usual": {"train": 40, "validation": 7, "test": 10},
            "validation": {"train": 40, "validation": 7},
        }.get(self.builder_config.name, {"train": 40})
        return {
            split: self._generate_examples(number)
            for split, number in splits.items()
        }

    def _generate_examples(self, number):
        for key in range(number):
            picture = np.full((5, 4, 3), key, "uint8")
            picture[0, 0, 0] = 255
            yield str(key), {"picture": picture, "kind": key % 2, "comment": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder for all tests that do not need a fresh one."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture
def no_network(monkeypatch):
    """Sends every download through a proxy that refuses connections."""
    with contextlib.closing(socket.socket()) as bound:
        # Bound but not listening: nobody else gets the port, nobody answers.
        bound.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{bound.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
            monkeypatch.setenv(name.upper(), proxy)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield


def test_pixels_labels_and_origin(folder):
    small = data.load("keras_sharpness_small", data_dir=folder)

    assert small.x_train.shape == (40, 5, 4, 3)
    assert small.x_test.shape == (10, 5, 4, 3)
    assert small.x_train.dtype == "float32"
    assert small.y_train.dtype == "int64"
    assert small.x_train.max() == 1.0
    # Sample `key` is filled with `key`, and labelled `key` modulo 2.
    keys = np.rint(255 * small.x_train[:, 1, 1, 1]).astype(int)
    np.testing.assert_array_equal(np.sort(keys), np.arange(40))
    np.testing.assert_array_equal(small.y_train, keys % 2)
    assert small.num_classes == 2
    assert small.class_names == ("cat", "dog")
    assert small.input_shape == (5, 4, 3)
    assert small.licence == "CC0"
    assert "keras_sharpness_small/usual/1.0.0" in small.source
    assert "https://example.org" in small.source


def test_order_is_the_same_every_time(folder):
    first = data.load("keras_sharpness_small", data_dir=folder)
    second = data.load("keras_sharpness_small/usual:1.0.0", data_dir=folder)

    np.testing.assert_array_equal(first.x_train, second.x_train)
    np.testing.assert_array_equal(first.y_test, second.y_test)


def test_validation_stands_in_for_a_missing_test_split(folder):
    small = data.load("keras_sharpness_small/validation", data_dir=folder)

    assert len(small.x_test) == 7


def test_chosen_splits(folder):
    small = data.load(
        "keras_sharpness_small/training",
        data_dir=folder,
        train_split="train[:30]",
        test_split="train[30:]",
    )

    assert (len(small.x_train), len(small.x_test)) == (30, 10)
    keys = 255 * np.concatenate([small.x_train, small.x_test])[:, 1, 1, 1]
    assert len(set(np.rint(keys))) == 40


def test_set_without_a_test_split(folder):
    with pytest.raises(ValueError, match=r'neither "test".*splits train.*80%'):
        data.load("keras_sharpness_small/training", data_dir=folder)


@pytest.mark.parametrize("split", ["extra", "train[:x]", "train[:5"])
def test_unknown_split(folder, split):
    with pytest.raises(
        ValueError, match=r"no split.*one of train, validation, test"
    ):
        data.load("keras_sharpness_small", data_dir=folder, train_split=split)


def test_other_features_are_named_before_any_download(tmp_path):
    with pytest.raises(
        ValueError, match=r"supervised_keys=None.*comment, kind"
    ):
        data.load("keras_sharpness_small/unlabelled", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"not a data set of image.*text"):
        data.load("imdb_reviews", data_dir=tmp_path)

    assert not list(tmp_path.iterdir())


def test_images_of_several_sizes(tmp_path):
    with pytest.raises(ValueError, match=r"one size.*\(None, None, 3\)"):
        data.load("keras_sharpness_small/sized", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnst", "There is no data set 'fashion_mnst'.*fashion_mnist"),
        ("mnist5k", "Did you mean .*mnist_5k"),
        ("", "There is no data set ''"),
        ("huggingface:mnist", "There is no data set 'huggingface:mnist'"),
        ("arrays.npy", r"path of an `\.npz` archive"),
        ("mnist:9.9.9", "'mnist' has the version 3.0.1"),
        ("emnist/greek", "configurations: .*letters, digits"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        data.load(name)


# TFDS alone tries for 200 seconds.
@pytest.mark.timeout(60)
def test_without_a_network(no_network, tmp_path):
    with pytest.raises(ConnectionError) as caught:
        data.load("fashion_mnist", data_dir=tmp_path)

    message = str(caught.value)
    assert "\n" not in message
    assert f"'fashion_mnist/3.0.1' is not in {tmp_path}" in message
    assert "ks.data.load('fashion_mnist', data_dir='tfds')" in message
    assert f"copy its folder tfds/fashion_mnist into {tmp_path}" in message
    assert ".npz" in message
    assert "mnist_5k" in message


def test_download_not_allowed(tmp_path):
    with pytest.raises(RuntimeError, match=r"'cifar10/.*`download` is False"):
        data.load("cifar10", data_dir=tmp_path / "new", download=False)

    assert not (tmp_path / "new").exists()


def test_set_that_is_fetched_by_hand(tmp_path):
    with pytest.raises(RuntimeError, match=r"by itself: Manual directory"):
        data.load("resisc45", data_dir=tmp_path)


def test_folder_without_a_complete_data_set(tmp_path):
    (tmp_path / "fashion_mnist" / "3.0.1").mkdir(parents=True)

    with pytest.raises(RuntimeError, match=r"not complete. Delete the folder"):
        data.load("fashion_mnist", data_dir=tmp_path)


@pytest.mark.parametrize("keep", [0, 1000])
def test_damaged_files(tmp_path, keep):
    name = "keras_sharpness_small"
    data.load(name, data_dir=tmp_path)
    (file,) = tmp_path.glob(f"{name}/*/*/{name}-train*")
    if keep:
        file.write_bytes(file.read_bytes()[:keep])
    else:
        file.unlink()

    with pytest.raises(RuntimeError, match=r"is damaged.*Delete the folder"):
        data.load(name, data_dir=tmp_path)


def test_failure_to_read_that_is_no_damage(tmp_path, monkeypatch):
    """Nobody is told to delete a sound folder because memory ran out."""
    name = "keras_sharpness_small"
    data.load(name, data_dir=tmp_path)

    def out_of_memory(*args, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory left")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", out_of_memory)

    with pytest.raises(tf.errors.ResourceExhaustedError, match="no memory"):
        data.load(name, data_dir=tmp_path)


def test_import_alone_loads_neither_tensorflow_nor_tfds():
    script = """
import sys
import keras_sharpness.data
assert not {"tensorflow", "tensorflow_datasets", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@needs_mnist
def test_the_whole_of_mnist():
    mnist = data.load("mnist", data_dir=PREPARED, download=False)

    assert mnist.x_train.shape == (60000, 28, 28, 1)
    assert mnist.x_test.shape == (10000, 28, 28, 1)
    assert mnist.x_train.dtype == "float32"
    assert (mnist.x_train.min(), mnist.x_train.max()) == (0.0, 1.0)
    # As counted by the makers of MNIST.
    np.testing.assert_array_equal(
        np.bincount(mnist.y_train),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    )
    np.testing.assert_array_equal(
        np.bincount(mnist.y_test),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    )
    # Published mean and standard deviation of the training pixels, four digits.
    assert round(float(mnist.x_train.mean(dtype="float64")), 4) == 0.1307
    assert round(float(mnist.x_train.std(dtype="float64")), 4) == 0.3081

    # Every digit of the embedded set is one of MNIST, in the same split.
    for split in ("train", "test"):
        with np.load(
            pathlib.Path(data.__file__).parent / "mnist_5k" / "mnist_5k.npz"
        ) as archive:
            pixels, labels = archive[f"x_{split}"], archive[f"y_{split}"]
        digits = {
            np.rint(255 * x).astype("uint8").tobytes(): int(y)
            for x, y in zip(
                getattr(mnist, f"x_{split}"),
                getattr(mnist, f"y_{split}"),
                strict=True,
            )
        }
        assert [digits.get(x.tobytes()) for x in pixels] == labels.tolist()
