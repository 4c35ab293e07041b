"""Loading a `.keras` file after it was inspected."""

import concurrent.futures
import json
import math
import os
import pathlib
import tempfile
import textwrap
from typing import Any

import keras

# The package's own networks are found by the name they were saved under.
import keras_sharpness.models  # noqa: F401
from keras_sharpness.saving import _texts as texts
from keras_sharpness.saving.archive import CONFIG
from keras_sharpness.saving.configuration import nodes
from keras_sharpness.saving.inspect import Inspected, inspected
from keras_sharpness.saving.limits import Limits

# Keras does not check configurations, and stumbles over a wrong one wherever
# it first matters.
_UNFIT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_ITEM_BYTES = {
    "bfloat16": 2,
    "bool": 1,
    "float16": 2,
    "float32": 4,
    "int8": 1,
    "int32": 4,
    "uint8": 1,
    "uint32": 4,
}
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
    folder that is gone afterwards. Keras' safe mode is on. Before any weight
    is made, the model is built without memory for them, and refused if it
    would make more than the file holds; with `custom_objects` this is left
    out, since layers of your own may need their weights while they are built.

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
    shown = file.description.name
    try:
        if not custom_objects:
            _check_built(file)
        with tempfile.TemporaryDirectory(prefix="keras-sharpness-") as folder:
            path = pathlib.Path(folder, f"{file.description.sha256}.keras")
            file.archive.write(path)
            return keras.saving.load_model(
                path,
                custom_objects=custom_objects,
                compile=compile,
                safe_mode=True,
            )
    except _UNFIT as error:
        raise texts.not_loaded(shown, _cause(error)) from error


def _check_built(file: Inspected) -> None:
    # Weights that are made without values are noted in a list of the thread
    # and made in earnest later on; the list dies with the thread.
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        text = file.archive.members[CONFIG]
        size, num_bytes = executor.submit(_built_size, text).result()
    if num_bytes > 2 * file.stored.num_bytes + _SURPLUS_BYTES:
        raise texts.more_than_stored(
            file.description.name, size, file.stored.size
        )


def _built_size(text: bytes) -> tuple[int, int]:
    """Number and bytes of the weights that a configuration makes."""
    config = json.loads(text)
    for node in nodes(config):
        # Optimizers count in the open, and are as large as what they train.
        node.pop("compile_config", None)
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    sizes = [(math.prod(v.shape), v.dtype) for v in model.variables]
    num_bytes = sum(n * _ITEM_BYTES.get(dtype, 8) for n, dtype in sizes)
    return sum(n for n, _ in sizes), num_bytes


def _cause(error: Exception) -> str:
    """The innermost reason of a failure, in one line.

    Keras nests the errors of layers within models in one text, together with
    their configurations.
    """
    text = str(error).rpartition("Exception encountered: ")[2]
    text = text.partition(" Full object config:")[0]
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    line = textwrap.shorten(text or type(error).__name__, 400, placeholder="…")
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."
