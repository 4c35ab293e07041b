"""How long work is asked to stop."""

import threading
from collections.abc import Callable

from keras_sharpness import arguments

# Looked at before every evaluation; true or set, and no more are begun.
StopOption = threading.Event | Callable[[], bool] | None


def stop_function(stop: StopOption) -> Callable[[], bool]:
    """`stop` as a function that says whether to stop.

    Args:
        stop: `threading.Event`, callable without arguments, or None.

    Returns:
        Callable.

    Raises:
        ValueError: If it is none of these.
    """
    if stop is None:
        return lambda: False
    if isinstance(stop, threading.Event):
        return stop.is_set
    return arguments.function(
        "stop", stop, "without arguments, or a threading.Event"
    )
