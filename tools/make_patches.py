"""Makes `keras_sharpness/data/patches/patches.npz` out of eight photographs.

    python -m venv /tmp/photographs
    /tmp/photographs/bin/pip install scikit-image==0.26.0 scikit-learn==1.9.1
    /tmp/photographs/bin/python tools/make_patches.py

The photographs lie in these two packages, which nothing else here needs. Run
again, it writes the same bytes: random is only what the seed draws, and the
archive holds no date.

Ten regions of eight photographs are the classes. Each region is tiled in blocks
of 64x64 pixels; flat blocks are left out, and a fifth of the others goes to the
test split. Only then patches are laid, each inside one block, so that training
and test patches have no pixel in common. The archive holds the blocks and the
places of the patches; the patches are cut where the data set is loaded, for
they overlap and would take four times the space.
"""

import pathlib

import numpy as np

ARCHIVE = (
    pathlib.Path(__file__).parents[1]
    / "keras_sharpness/data/patches/patches.npz"
)
SEED = 0
BLOCK = 64
PATCH = 32
# Of the pixels about the mean colour of their block, in grey levels. Below it
# there is clear sky and nothing else.
LEAST_SPREAD = 5
# The large pictures would take all the space and give not one patch more.
MOST_BLOCKS = 40
TEST_SHARE = 0.2
PATCHES_OF_A_CLASS = {"train": 400, "test": 100}


def photographs() -> dict[str, np.ndarray]:
    """The photographs, (height, width, 3) uint8, by name."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    names = "astronaut", "chelsea", "coffee", "hubble_deep_field", "retina"
    return {name: getattr(data, name)() for name in (*names, "rocket")} | {
        name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")
    }


def regions(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The classes in their order: pictures, and halves of two of them."""
    astronaut = pictures["astronaut"]
    # Without the black around the eye, which tells nothing.
    retina = pictures["retina"][256:1152]
    return {
        # Face, flag and shuttle above, the orange suit and the helmet below.
        "astronaut_upper": astronaut[:256],
        "astronaut_lower": astronaut[256:],
        "chelsea": pictures["chelsea"],
        "china": pictures["china"],
        "coffee": pictures["coffee"],
        "flower": pictures["flower"],
        "hubble_deep_field": pictures["hubble_deep_field"],
        # With the optic disc and its large vessels, and without.
        "retina_left": retina[:, 192:704],
        "retina_right": retina[:, 704:1216],
        "rocket": pictures["rocket"],
    }


def tile(picture: np.ndarray) -> np.ndarray:
    """The blocks of a picture that are not flat, (num, 64, 64, 3)."""
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    blocks = (
        picture[: rows * BLOCK, : columns * BLOCK]
        .reshape(rows, BLOCK, columns, BLOCK, 3)
        .swapaxes(1, 2)
        .reshape(-1, BLOCK, BLOCK, 3)
    )
    spread = np.sqrt(blocks.var(axis=(1, 2), dtype=np.float64).mean(axis=-1))
    return blocks[spread > LEAST_SPREAD]


def lay(
    num_blocks: int, num_patches: int, generator: np.random.Generator
) -> np.ndarray:
    """Places of patches: (num_patches, 3), each block, top and left.

    All blocks get equally many, give or take one, at different places.
    """
    across = BLOCK - PATCH + 1
    blocks = np.arange(num_patches) % num_blocks
    corners = np.stack(
        [generator.permutation(across**2) for _ in range(num_blocks)]
    )[blocks, np.arange(num_patches) // num_blocks]
    return np.stack([blocks, corners // across, corners % across], axis=1)


def make() -> dict[str, np.ndarray]:
    """The arrays of the archive; LICENSE.md beside it describes them."""
    generator = np.random.default_rng(SEED)
    classes = regions(photographs())
    parts = {"train": [], "test": []}
    for picture in classes.values():
        blocks = tile(picture)
        blocks = generator.permutation(blocks)[:MOST_BLOCKS]
        num_test = round(TEST_SHARE * len(blocks))
        parts["test"].append(blocks[:num_test])
        parts["train"].append(blocks[num_test:])
    arrays = {"class_names": np.array(list(classes))}
    for split, of_classes in parts.items():
        numbers = [len(blocks) for blocks in of_classes]
        places = []
        for number, before in zip(
            numbers, np.cumsum([0, *numbers[:-1]]), strict=True
        ):
            of_class = lay(number, PATCHES_OF_A_CLASS[split], generator)
            of_class[:, 0] += before
            places.append(of_class)
        # Mixed, so that the first patches are of all classes.
        places = generator.permutation(np.concatenate(places))
        arrays |= {
            f"{split}_blocks": np.concatenate(of_classes),
            f"{split}_classes": np.repeat(
                np.arange(len(classes), dtype=np.uint8), numbers
            ),
            f"{split}_places": places.astype(np.uint16),
        }
    return arrays


def main() -> None:
    """Writes the archive, and says what is in it."""
    arrays = make()
    np.savez_compressed(ARCHIVE, **arrays)
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes")
    for split in ("train", "test"):
        numbers = np.bincount(arrays[f"{split}_classes"])
        print(f"{split}: {numbers.sum()} blocks, {numbers} by class")


if __name__ == "__main__":
    main()
