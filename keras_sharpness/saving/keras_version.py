"""Whether the installed Keras opens model files safely."""

import importlib.metadata

from keras_sharpness import arguments

_SAFE, _SAFE_3_12 = (3, 15, 1), (3, 12, 3)


def keras_version_problem(version: str | None = None) -> str | None:
    """Why files from strangers should not be loaded with this Keras.

    The guards against path traversal, zip bombs and arrays of false size are
    in 3.15.1 and later, and in 3.12.3 and later of the 3.12 line.

    Args:
        version: Str. Version of Keras; `None` is the installed one.

    Returns:
        A message, or `None` where all is well.

    Example:

    ```python
    import keras_sharpness as ks

    assert ks.saving.keras_version_problem() is None
    assert "Keras 3.14.1" in ks.saving.keras_version_problem("3.14.1")
    ```
    """
    if version is None:
        version = importlib.metadata.version("keras")
    arguments.text("version", version)
    numbers = tuple(
        int("".join(c for c in part if c.isdigit()) or 0)
        for part in version.split(".")[:3]
    )
    if numbers >= _SAFE or _SAFE_3_12 <= numbers < (3, 13):
        return None
    return (
        f"Uploads are off: Keras {version} lacks file-safety fixes. Install "
        "`keras>=3.15.1`."
    )
