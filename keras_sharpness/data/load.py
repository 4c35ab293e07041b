"""Loads an image classification set by name."""

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data._builders import SHIPPED, find_builder, prepare
from keras_sharpness.data.classification_data import ClassificationData
from keras_sharpness.data.npz import load_npz, to_unit_range
from keras_sharpness.data.sample_data import SampleData

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def load(
    name: str | os.PathLike = "mnist_5k",
    *,
    data_dir: str | os.PathLike | None = None,
    download: bool = True,
    train_split: str = "train",
    test_split: str | None = None,
) -> SampleData:
    """Loads a data set of TensorFlow Datasets, or an `.npz` archive.

    Pixels become float32 in [0, 1] (uint8 divided by 255, as Keskar et al.
    train), labels int64. The order of the samples is that of the prepared
    files, the same every time.

    Two sets ship with the package, 4,000 training and 1,000 test images each:
    `"mnist_5k"`, digits of MNIST, and `"patches"`, 32x32 colour patches of
    photographs. The patches serve code and pictures, not conclusions, for they
    overlap: the sample is 293 and 73 blocks. Whole, these two need neither
    TensorFlow Datasets nor a folder. Every other name is downloaded once.

    Args:
        name: String, the name of any image classification set of TensorFlow
            Datasets, e.g. `"mnist"`, `"fashion_mnist"`, `"cifar10"`,
            `"cifar100"`, `"emnist/letters"`; or the path of an `.npz` archive,
            see `load_npz`.
        data_dir: Path of the folder that holds the prepared data sets; `None`
            is TFDS' default, `~/tensorflow_datasets` or the folder in the
            environment variable `TFDS_DATA_DIR`.
        download: Boolean. Whether a data set that is not there may be
            downloaded.
        train_split: String, the split to train on, e.g. `"train[:10%]"`.
        test_split: String, the split to test on; `None` is `"test"`, or
            `"validation"` where there is no `"test"`.

    Returns:
        A `ClassificationData`; of an archive whose targets are no classes, a
        `SampleData`.

    Raises:
        ValueError: If the name is unknown, the data set is not one of image
            classification, or lacks a split.
        ConnectionError: If the data set has to be downloaded and cannot be.
        RuntimeError: If the data set is not there and may not be downloaded,
            or is damaged.
        OSError: If the data folder cannot be written to.

    Example:

    ```python
    import tempfile
    import keras_sharpness as ks

    with tempfile.TemporaryDirectory() as folder:
        data = ks.data.load("mnist_5k", data_dir=folder)
    assert data.x_train.shape == (4000, 28, 28, 1)
    assert data.num_classes == 10
    assert ks.data.load("patches").x_train.shape == (4000, 32, 32, 3)
    ```
    """
    arguments.instance(
        "name",
        name,
        str | os.PathLike,
        "the name of a data set, or the path of an `.npz` archive",
    )
    name = str(name)
    data_dir = arguments.path("data_dir", data_dir, optional=True)
    arguments.boolean("download", download)
    arguments.text("train_split", train_split)
    arguments.text("test_split", test_split, optional=True)
    if name.endswith(".npz"):
        return load_npz(name)
    whole = train_split == "train" and test_split in (None, "test")
    if name in SHIPPED and data_dir is None and whole:
        return _shipped(name)
    builder = find_builder(name, data_dir)
    # Before the download: some of the other sets are very large.
    label = _checked_label(builder)
    builder = prepare(builder, download=download)
    if test_split is None:
        test_split = _default_test_split(builder)
    _check_splits(builder, train_split, test_split)

    x_train, y_train = _read(builder, train_split)
    x_test, y_test = _read(builder, test_split)
    info = builder.info
    return ClassificationData(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        num_classes=label.num_classes,
        class_names=tuple(label.names),
        source=f"TensorFlow Datasets {info.full_name}, {info.homepage}",
        licence=info.as_proto.redistribution_info.license or None,
    )


def _shipped(name: str) -> ClassificationData:
    """A data set inside, as TensorFlow Datasets would hand it over."""
    inside = SHIPPED[name]
    parts = {}
    for split in ("train", "test"):
        images, labels = inside.read(split)
        parts[f"x_{split}"] = to_unit_range(images)
        parts[f"y_{split}"] = labels.astype(np.int64)
    return ClassificationData(
        name=name,
        num_classes=len(inside.CLASS_NAMES),
        class_names=inside.CLASS_NAMES,
        source=f"TensorFlow Datasets {name}/1.0.0, {inside.HOMEPAGE}",
        licence=inside.LICENCE,
        **parts,
    )


def _checked_label(
    builder: "tfds.core.DatasetBuilder",
) -> "tfds.features.ClassLabel":
    """The label feature, of a set of equally sized images with labels."""
    import tensorflow_datasets as tfds

    info = builder.info
    features = (
        dict(info.features.items())
        if isinstance(info.features, tfds.features.FeaturesDict)
        else {}
    )
    image, label = (
        (features.get(str(key)) for key in info.supervised_keys)
        if info.supervised_keys and len(info.supervised_keys) == 2
        else (None, None)
    )
    if not isinstance(image, tfds.features.Image) or not isinstance(
        label, tfds.features.ClassLabel
    ):
        raise ValueError(
            f"{info.full_name!r} is not a data set of image classification. "
            f"Received: supervised_keys={info.supervised_keys}, features: "
            f"{', '.join(sorted(features)) or 'none by name'}. Pass one that "
            "has an image and a class label, e.g. `cifar10`, or an `.npz` "
            "archive."
        )
    if None in image.shape or image.np_dtype != np.uint8:
        raise ValueError(
            f"The images of {info.full_name!r} must be uint8 of one size. "
            f"Received: shape {image.shape}, dtype {image.np_dtype.__name__}. "
            "Bring them to one size, and load them as an `.npz` archive."
        )
    return label


def _default_test_split(builder: "tfds.core.DatasetBuilder") -> str:
    for split in ("test", "validation"):
        if split in builder.info.splits:
            return split
    raise ValueError(
        f'{builder.info.full_name!r} has neither "test" nor "validation". '
        f"Received: splits {', '.join(builder.info.splits)}. Divide one, e.g. "
        '`train_split="train[:80%]", test_split="train[80%:]"`.'
    )


def _check_splits(builder: "tfds.core.DatasetBuilder", *splits: str) -> None:
    for split in splits:
        try:
            builder.info.splits[split]
        except (KeyError, ValueError, AssertionError) as error:
            raise ValueError(
                f"{builder.info.full_name!r} has no split {split!r}. Pass one "
                f"of {', '.join(builder.info.splits)}, or a part of one, e.g. "
                '"train[:10%]".'
            ) from error


def _read(
    builder: "tfds.core.DatasetBuilder", split: str
) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        images, labels = builder.as_dataset(
            split=split,
            batch_size=-1,
            shuffle_files=False,
            as_supervised=True,
            # One file after the other, in the order of the files.
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
    # Others, as of memory, say nothing of the files.
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise RuntimeError(
            f"The data set in {builder.data_dir} is damaged "
            f"({error.message.splitlines()[0]}). Delete the folder and load "
            "again."
        ) from error
    return to_unit_range(images.numpy()), labels.numpy().astype(np.int64)
