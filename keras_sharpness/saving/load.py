"""Loading a `.keras` file after it was inspected."""

import os
from typing import Any

import keras

# The package's own networks are found by the name they were saved under.
import keras_sharpness.models  # noqa: F401
from keras_sharpness.saving.errors import ModelFileError
from keras_sharpness.saving.inspect import inspect_model_file


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
    import keras
    import keras_sharpness as ks

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(
        "small.keras"
    )
    assert ks.saving.load_model("small.keras").count_params() == 4
    ```
    """
    file = inspect_model_file(path)
    try:
        return keras.saving.load_model(
            file.path,
            custom_objects=custom_objects,
            compile=compile,
            safe_mode=True,
        )
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise ModelFileError(
            f"{path} could not be loaded: {str(error).splitlines()[0]} "
            "If it uses classes or functions of your own, pass "
            "`custom_objects={name: object}`."
        ) from error
