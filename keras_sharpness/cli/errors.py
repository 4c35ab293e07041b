"""Turning errors of the package into one line on the command line."""

import contextlib
from collections.abc import Iterator

import click

from keras_sharpness.cli.quiet import quiet_start


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Shows what the package refuses as an error message, not a traceback.

    Yields:
        Nothing.
    """
    # Imported late: `--help` need not wait for Keras.
    with quiet_start():
        import keras  # noqa: F401

        from keras_sharpness.reasons import framework_errors, short_reason
        from keras_sharpness.runs import RunFolderError
        from keras_sharpness.saving import KerasSharpnessError

    refused = (
        FloatingPointError,
        KerasSharpnessError,
        OSError,
        RunFolderError,
        ValueError,
    )
    try:
        yield
    except refused as error:
        raise click.ClickException(str(error)) from error
    # What a model meets while it runs: TensorFlow says all it knows of it.
    except (MemoryError, RecursionError, *framework_errors()) as error:
        kind = type(error).__name__
        message = f"The model could not be run ({kind}): {short_reason(error)}"
        raise click.ClickException(message) from error
