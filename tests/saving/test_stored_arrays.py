"""HDF5 files that are damaged are listed, or refused."""

import numpy as np

from keras_sharpness.saving import (
    ModelFileError,
    inspect_model,
)
from keras_sharpness.saving.stored_arrays import listing
from tests.saving.files import (
    WEIGHTS,
    members,
    write_archive,
)


def test_no_damage_of_weights_gets_through_as_another_error(small, tmp_path):
    """Damage that the checksums of the archive have been told of."""
    contents = members(small)
    whole = contents[WEIGHTS]
    generator = np.random.default_rng(0)
    refused = 0
    # The walk alone, and now and then in the process that it belongs to.
    for number in range(100):
        content = bytearray(whole)
        for position in generator.integers(len(whole), size=8):
            content[position] = generator.integers(256)
        if number % 10:
            found = listing(bytes(content), 1000)
            refused += not {"arrays", "groups"} <= set(found)
            continue
        path = tmp_path / "a.keras"
        write_archive(path, {**contents, WEIGHTS: bytes(content)})
        try:
            inspect_model(path)
        except ModelFileError:
            refused += 1
    assert refused > 30
