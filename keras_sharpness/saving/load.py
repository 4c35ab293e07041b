"""Loading a `.keras` file after it was inspected."""

import dataclasses
import json
import os
import pathlib
import tempfile
from typing import Any

import keras

# The package's own networks are found by the name they were saved under.
import keras_sharpness.models  # noqa: F401
from keras_sharpness.reasons import short_reason
from keras_sharpness.saving import errors
from keras_sharpness.saving.archive import CONFIG, WEIGHTS
from keras_sharpness.saving.building import BUILDERS, Needs, for_building, needs
from keras_sharpness.saving.inspect import Inspected, inspected
from keras_sharpness.saving.limits import Limits
from keras_sharpness.saving.weights import written_anew

# Seeds are made that no file holds.
_SURPLUS_BYTES = 16 << 20


def load_model(
    source: str | os.PathLike | bytes,
    *,
    name: str | None = None,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = False,
    limits: Limits | None = None,
) -> keras.Model:
    """Loads a `.keras` file that `inspect_model` accepts.

    The bytes that were inspected are the bytes that are loaded, from a private
    folder that is gone afterwards. Keras' safe mode is on, and it gets the
    weights in a file that is written anew. Before any weight is made, the
    model is built without memory for them, and refused if it would make more
    than the file holds, or more activations than `limits` allows; with
    `custom_objects` this is left out, since layers of your own may need their
    weights while they are built.

    Args:
        source: Path or content of a file that `model.save("name.keras")`
            wrote.
        name: String. What messages call the file; `None` is its path.
        custom_objects: Dict from names to the classes and functions of your
            own that the model uses.
        compile: Bool. Whether to restore the loss and the optimizer too.
        limits: `Limits` on sizes; `None` is `Limits.of_this_machine()`. Pass
            `Limits()` for files from strangers.

    Returns:
        The `keras.Model`.

    Raises:
        ModelFileError: If the file cannot be read as a model.
        UnsafeModelError: If it asks for what is not known to be safe.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    path = pathlib.Path(tempfile.mkdtemp(), "small.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    assert ks.saving.load_model(path).count_params() == 4
    ```
    """
    file = inspected(
        source,
        name=name,
        custom_objects=custom_objects,
        compile=compile,
        limits=limits,
    )
    # Keras does not check configurations, and stumbles over a wrong one
    # wherever it first matters, with whatever error the place has.
    try:
        text = json.dumps(for_building(file.config))
        if not custom_objects:
            # Keras empties what it reads.
            _check_needs(needs(json.loads(text)), file)
        return _loaded(file, text, custom_objects or {}, compile)
    except errors.ModelFileError:
        raise
    except Exception as error:
        shown, cause = file.description.name, short_reason(error)
        raise errors.not_loaded(shown, cause) from error


def _check_needs(needs: Needs, file: Inspected) -> None:
    name, stored = file.description.name, file.stored
    if needs.weight_bytes > 2 * stored.num_bytes + _SURPLUS_BYTES:
        raise errors.more_than_stored(name, needs.weights, stored.size)
    if needs.activations > file.limits.activations:
        what = f"its layers make {needs.activations:,} numbers of one sample"
        raise errors.bomb(name, what, f"{file.limits.activations:,}")


def _loaded(
    file: Inspected, config: str, custom_objects: dict, compile: bool
) -> keras.Model:
    """What Keras makes of an archive that this package has written."""
    archive = dataclasses.replace(
        file.archive,
        members={
            **file.archive.members,
            CONFIG: config.encode(),
            WEIGHTS: written_anew(file.stored, file.archive.members[WEIGHTS]),
        },
    )
    with tempfile.TemporaryDirectory(prefix="keras-sharpness-") as folder:
        path = pathlib.Path(folder, f"{file.description.sha256}.keras")
        archive.write(path)
        del archive
        return keras.saving.load_model(
            path,
            custom_objects={**custom_objects, **BUILDERS},
            compile=compile,
            safe_mode=True,
        )
