"""Functions of TensorFlow that one thread calls others for."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def replaced_functions(module: Any, **replacements: Callable) -> Iterator[None]:
    """Within the block one thread calls other functions of a module.

    Other threads keep the module's own. Blocks must not overlap in time unless
    nested.

    Args:
        module: Module, e.g. `tf.nn`.
        **replacements: By the name of a function, a callable that takes the
            function and then its arguments.

    Yields:
        Nothing.
    """
    thread = threading.get_ident()
    originals = {name: getattr(module, name) for name in replacements}

    def here(original: Callable, replacement: Callable) -> Callable:
        @functools.wraps(original)
        def function(*args: Any, **options: Any) -> Any:
            if threading.get_ident() != thread:
                return original(*args, **options)
            return replacement(original, *args, **options)

        return function

    try:
        for name, original in originals.items():
            setattr(module, name, here(original, replacements[name]))
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)
