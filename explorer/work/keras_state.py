"""Keras' global state, which Streamlit resets after every run of a page."""

import functools
import threading

# Held while models are made and graphs are traced.
IN_USE = threading.Lock()


def protect() -> None:
    """Keeps Streamlit from resetting Keras in the midst of a computation.

    After every run of a script Streamlit calls `keras.backend.clear_session`,
    which takes the scopes away that another thread has open, such as the one
    in which a model is loaded safely. While `IN_USE` is held, that call does
    nothing.
    """
    import keras

    clear = keras.backend.clear_session
    if hasattr(clear, "__wrapped__"):
        return

    @functools.wraps(clear)
    def clear_unless_in_use(*args: object, **kwargs: object) -> None:
        if IN_USE.acquire(blocking=False):
            try:
                clear(*args, **kwargs)
            finally:
                IN_USE.release()

    keras.backend.clear_session = clear_unless_in_use
