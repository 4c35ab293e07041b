"""Importing TensorFlow without its start-up notices."""

import contextlib
import os
import sys
from collections.abc import Iterator


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
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
