"""Loading the weights of a file into a model of one's own."""

import io
import os
import pathlib
import tempfile
import zipfile

import keras

from keras_sharpness import arguments
from keras_sharpness.reasons import short_reason
from keras_sharpness.saving import errors
from keras_sharpness.saving.archive import WEIGHTS, read_archive, read_file
from keras_sharpness.saving.limits import Limits, chosen
from keras_sharpness.saving.weights import read_weights, written_anew


def load_weights(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    limits: Limits | None = None,
) -> None:
    """Loads weights that `model.save_weights` or `model.save` wrote.

    Of a `.keras` archive nothing but the weights is looked at, so that layers
    of your own need no `custom_objects`.

    The file is looked through by a process that can be stopped, as the weights
    of `load_model` are, so that a damaged one ends in an error. The model may
    have taken a part of the weights by then.

    Args:
        model: `keras.Model`, built.
        path: Path of a `.weights.h5` or `.keras` file.
        limits: `Limits` on sizes; `None` is `Limits.of_this_machine()`.

    Raises:
        ModelFileError: If the file is missing or damaged, or does not fit the
            model.
        UnsafeModelError: If it reaches outside of itself, or claims more than
            it holds.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    path = pathlib.Path(tempfile.mkdtemp(), "small.weights.h5")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.save_weights(path)
    ks.saving.load_weights(model, path)
    ```
    """
    arguments.instance("model", model, keras.Model, "a keras.Model")
    path = arguments.path("path", path)
    limits = chosen(limits)
    name = str(path).replace("`", "'")
    content = read_file(path, name, limits)
    if zipfile.is_zipfile(io.BytesIO(content)):
        content = read_archive(content, name, limits).members[WEIGHTS]
    stored = read_weights(content, name, limits)
    try:
        with tempfile.TemporaryDirectory(prefix="keras-sharpness-") as folder:
            copy = pathlib.Path(folder, "copy.weights.h5")
            copy.write_bytes(written_anew(stored, content))
            model.load_weights(copy)
    except Exception as error:
        raise errors.not_fitting(name, short_reason(error)) from error
