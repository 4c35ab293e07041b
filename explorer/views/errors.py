"""Damaged files as sentences instead of tracebacks."""

import contextlib
from collections.abc import Iterator

import streamlit as st

from keras_sharpness.runs import RunFolderError
from keras_sharpness.saving import ModelFileError
from views.text import plain


@contextlib.contextmanager
def shown_errors(what: str) -> Iterator[None]:
    """Shows what cannot be read as a message, and lets the app go on.

    Args:
        what: Str. What is missing now, for the message's title.

    Yields:
        Nothing.
    """
    try:
        yield
    except (RunFolderError, ModelFileError, ValueError, OSError) as error:
        st.error(
            plain(str(error)),
            title=f"{what} cannot be shown",
            icon=":material/broken_image:",
        )
