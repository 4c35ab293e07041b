"""Functions that one thread calls others for."""

import contextlib
import functools
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def replaced_functions(owner: Any, **replacements: Callable) -> Iterator[None]:
    """Within the block one thread calls other functions of a module or object.

    Other threads keep the owner's own, also one that the caller set on an
    object. Blocks may be nested, and those of different threads overlap as they
    like: the function in place asks which thread calls it, and goes when the
    last block ends. Who has taken hold of it, as a module that is imported in
    the block, calls the owner's own with it ever after.

    Args:
        owner: Module, e.g. `tf.nn`, or object, e.g. a layer.
        **replacements: By the name of a function, a callable that takes the
            function and then its arguments.

    Yields:
        Nothing.
    """
    with contextlib.ExitStack() as stack:
        for name, replacement in replacements.items():
            stack.enter_context(_replaced(owner, name, replacement))
        yield


class _Place:
    """Where a function is replaced, in one thread or in several."""

    def __init__(self, owner: Any, name: str):
        # Held, so that no other object gets its identity.
        self._owner = owner
        self._name = name
        self._own = getattr(owner, name)
        self._is_of_class = name not in vars(owner)
        self._local = threading.local()
        self.num_blocks = 0

        @functools.wraps(self._own)
        def function(*args: Any, **options: Any) -> Any:
            called = self._own
            for replacement in self.stack:
                called = functools.partial(replacement, called)
            return called(*args, **options)

        self._function = function
        self._set(function)

    @property
    def stack(self) -> list[Callable]:
        """The replacements of this thread, the innermost block's last."""
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    def restore(self) -> None:
        # Unless somebody else has set another one over it.
        if vars(self._owner).get(self._name) is not self._function:
            return
        if self._is_of_class:
            del vars(self._owner)[self._name]
        else:
            self._set(self._own)

    def _set(self, function: Callable) -> None:
        if isinstance(self._owner, types.ModuleType):
            setattr(self._owner, self._name, function)
        else:
            # Past Keras' own `__setattr__`, which tracks what is assigned.
            vars(self._owner)[self._name] = function


_lock = threading.Lock()
_places: dict[tuple[int, str], _Place] = {}


@contextlib.contextmanager
def _replaced(owner: Any, name: str, replacement: Callable) -> Iterator[None]:
    key = (id(owner), name)
    with _lock:
        if key not in _places:
            _places[key] = _Place(owner, name)
        place = _places[key]
        place.num_blocks += 1
    try:
        place.stack.append(replacement)
        yield
    finally:
        place.stack.remove(replacement)
        with _lock:
            place.num_blocks -= 1
            if not place.num_blocks:
                del _places[key]
                place.restore()
