"""Importing TensorFlow without its start-up notices."""

import contextlib
import os
import sys
from collections.abc import Iterator

from keras_sharpness.interrupts import kept_interrupts


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Within the block nothing reaches the process's standard error.

    TensorFlow's libraries write to it while they are loaded, before any log
    level is read; on the command line that would bury what a command says.
    Python's exceptions are raised as ever.

    Yields:
        Nothing.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            # Libraries take an interrupt while they import each other for a
            # sign that an optional one is missing.
            with kept_interrupts():
                yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
