"""Interrupts from the keyboard that no library can lose."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Within the block an interrupt from the keyboard is heard at last.

    Python raises `KeyboardInterrupt` wherever it happens to be, and drops it
    in destructors, in attribute look-ups and callbacks from C, and in a
    library's bare `except`: there the work would go on as if nobody had
    pressed Ctrl-C. Here it is remembered and raised again at the next step,
    or at the end of the block. Handlers other than Python's own keep their
    say: what they do not raise is not remembered. Threads other than the
    first, which hear no signals, pass through.

    Yields:
        A function without arguments, to be called after every step.

    Raises:
        KeyboardInterrupt: If one was lost; also in place of the error that a
            library made of it.

    Example:

    ```python
    import contextlib
    import signal

    from keras_sharpness.interrupts import kept_interrupts

    steps = 0
    with contextlib.suppress(KeyboardInterrupt):
        with kept_interrupts() as check:
            for _ in range(10):
                with contextlib.suppress(BaseException):  # as libraries do
                    signal.raise_signal(signal.SIGINT)
                check()
                steps += 1
    assert steps == 0
    ```
    """
    heard = False

    def check() -> None:
        if heard:
            raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and callable(previous)):
        yield check
        return

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        try:
            previous(number, frame)
        except KeyboardInterrupt:
            heard = True
            raise

    def report_unraisable(unraisable: Any) -> None:
        # Python's "Exception ignored" would be untrue: this one is kept.
        if not (heard and unraisable.exc_type is KeyboardInterrupt):
            previous_hook(unraisable)

    previous_hook = sys.unraisablehook
    sys.unraisablehook = report_unraisable
    signal.signal(signal.SIGINT, hear)
    try:
        yield check
    except Exception as error:
        # Whatever a library made of the interrupt; others pass as they are.
        if heard:
            raise KeyboardInterrupt from error
        raise
    finally:
        # What somebody set meanwhile stays, as it would without this block.
        if sys.unraisablehook is report_unraisable:
            sys.unraisablehook = previous_hook
        if signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, previous)
    check()
