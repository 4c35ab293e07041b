"""`patches` as a data set of TensorFlow Datasets."""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from keras_sharpness.data import patches


class Builder(tfds.core.GeneratorBasedBuilder):
    """4,000 training and 1,000 test patches of photographs, 32x32 in colour.

    Eight free photographs that scikit-image and scikit-learn ship, two of them
    in halves: the class is the picture that a patch comes from, 400 and 100
    patches of each. The pictures are tiled in blocks of 64x64 pixels, and the
    blocks divided into training and test before patches are cut, so that no
    pixel is in both. They come out of the archive beside this file: no network
    is needed.

    They serve code and pictures, not conclusions: patches of a block overlap,
    and the blocks are 293 for training and 73 for testing. That, and not
    5,000, is the size of the sample; claims on generalisation need a larger
    data set, e.g. `cifar10`.

    Example:

    ```python
    import tempfile
    from keras_sharpness.data import patches

    with tempfile.TemporaryDirectory() as folder:
        builder = patches.Builder(data_dir=folder)
        builder.download_and_prepare()
        examples = builder.as_dataset(split="test[:3]")
        for example in examples:
            assert example["image"].shape == (32, 32, 3)
    ```

    References:
        - van der Walt et al. 2014, [scikit-image](https://doi.org/10.7717/peerj.453).
        - Pedregosa et al. 2011, [scikit-learn](https://jmlr.org/papers/v12/pedregosa11a.html).
          `LICENSE.md` beside this file names every photograph.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Colour patches of ten regions of eight photographs. Patches "
                "of a block of 64x64 pixels overlap: the sample is a few "
                "hundred blocks, for code and pictures, not for conclusions."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(
                        names=list(patches.CLASS_NAMES)
                    ),
                }
            ),
            supervised_keys=("image", "label"),
            # Everybody's first 100 patches shall be the same ones.
            disable_shuffling=True,
            homepage=patches.HOMEPAGE,
            license=patches.LICENCE,
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
        pairs = zip(*patches.read(split), strict=True)
        for key, (image, label) in enumerate(pairs):
            yield key, {"image": image, "label": label}
