"""5,000 colour patches of eight photographs, shipped inside.

They serve code and pictures, not conclusions, see `Builder`.
"""

import pathlib
from typing import Any

import numpy as np

__all__ = ["CLASS_NAMES", "HOMEPAGE", "LICENCE", "Builder", "read"]

CLASS_NAMES = (
    "astronaut_upper",
    "astronaut_lower",
    "chelsea",
    "china",
    "coffee",
    "flower",
    "hubble_deep_field",
    "retina_left",
    "retina_right",
    "rocket",
)
HOMEPAGE = "https://scikit-image.org/docs/stable/api/skimage.data.html"
LICENCE = (
    "Public domain, CC0 and CC BY 2.0 (china by danielbuechele, flower by "
    "vultilion)"
)


def read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the patches of a split out of the blocks in the archive.

    Args:
        split: String, `"train"` or `"test"`.

    Returns:
        Images (N, 32, 32, 3) uint8, and labels (N,) uint8.
    """
    archive = pathlib.Path(__file__).with_name("patches.npz")
    with np.load(archive, allow_pickle=False) as arrays:
        blocks = arrays[f"{split}_blocks"]
        classes = arrays[f"{split}_classes"]
        block, top, left = arrays[f"{split}_places"].astype(np.intp).T
    # All patches that a block has, as a view: (num, 33, 33, 3, 32, 32).
    windows = np.lib.stride_tricks.sliding_window_view(
        blocks, (32, 32), axis=(1, 2)
    )
    images = np.moveaxis(windows[block, top, left], 1, -1)
    return np.ascontiguousarray(images), classes[block]


def __getattr__(name: str) -> Any:
    # The patches themselves need neither TensorFlow Datasets nor TensorFlow.
    if name == "Builder":
        from keras_sharpness.data.patches.patches_dataset_builder import (
            Builder,
        )

        return Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
