"""`mnist_5k` as a data set of TensorFlow Datasets."""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from keras_sharpness.data import mnist_5k


class Builder(tfds.core.GeneratorBasedBuilder):
    """4,000 training and 1,000 test digits of MNIST, 28x28 grey pixels.

    The first 400 images of every class of MNIST's training set and the first
    100 of every class of its test set, in MNIST's order. They come out of the
    archive beside this file: no network is needed.

    Example:

    ```python
    import tempfile
    from keras_sharpness.data import mnist_5k

    with tempfile.TemporaryDirectory() as folder:
        builder = mnist_5k.Builder(data_dir=folder)
        builder.download_and_prepare()
        digits = builder.as_dataset(split="test[:3]")
        assert [int(digit["label"]) for digit in digits] == [7, 2, 1]
    ```

    Reference:
        - LeCun and Cortes, [MNIST](http://yann.lecun.com/exdb/mnist/), CC
          BY-SA 3.0.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "The first 400 images of every class of MNIST's training set "
                "and the first 100 of every class of its test set, in MNIST's "
                "order."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            # Everybody's first 100 digits shall be the same ones.
            disable_shuffling=True,
            homepage=mnist_5k.HOMEPAGE,
            license=mnist_5k.LICENCE,
        )

    def _split_generators(
        self,
        dl_manager: tfds.download.DownloadManager,  # noqa: ARG002
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {
            split: self._generate_examples(split) for split in ("train", "test")
        }

    def _generate_examples(
        self, split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        pairs = zip(*mnist_5k.read(split), strict=True)
        for key, (image, label) in enumerate(pairs):
            yield key, {"image": image, "label": label}
