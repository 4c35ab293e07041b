"""Loading a `.keras` file after it was inspected."""

import os
import textwrap
from typing import Any

import keras

# The package's own networks are found by the name they were saved under.
import keras_sharpness.models  # noqa: F401
from keras_sharpness.saving.errors import ModelFileError
from keras_sharpness.saving.inspect import inspect_model_file

# Keras does not check configurations, and stumbles over a wrong one wherever
# it first matters.
_UNFIT = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def load_model(
    path: str | os.PathLike,
    *,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = False,
) -> keras.Model:
    """Loads a `.keras` file that `inspect_model_file` accepts.

    Keras' safe mode is on.

    Args:
        path: Path of a file that `model.save("name.keras")` wrote.
        custom_objects: Dict from names to the classes and functions of your
            own that the model uses.
        compile: Bool. Whether to restore the loss and the optimizer too.

    Returns:
        The `keras.Model`.

    Raises:
        ModelFileError: If the file cannot be read as a model.
        UnsafeModelError: If loading it could run code from the file.

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
    file = inspect_model_file(path)
    if file.path.suffix != ".keras":
        raise ModelFileError(
            f"{path} holds a model, but Keras only opens files whose names end "
            "in `.keras`. Rename it."
        )
    try:
        return keras.saving.load_model(
            file.path,
            custom_objects=custom_objects,
            compile=compile,
            safe_mode=True,
        )
    except _UNFIT as error:
        raise ModelFileError(
            f"{path} could not be loaded: {_cause(error)} If it uses classes "
            "or functions of your own, pass `custom_objects={name: object}` "
            "with the ones it was saved with."
        ) from error


def _cause(error: Exception) -> str:
    """The innermost reason of a failure, in one line.

    Keras nests the errors of layers within models in one text, together with
    their configurations.
    """
    text = str(error).rpartition("Exception encountered: ")[2]
    text = text.partition(" Full object config:")[0]
    line = textwrap.shorten(text or type(error).__name__, 400, placeholder="…")
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."
