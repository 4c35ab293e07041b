"""The program of a worker: one member of a study, and then gone.

Its standard input holds a header, the work, and nothing more: its end says
that the driver is gone or wants it to stop.
"""

import os
import pickle
import signal
import sys
import threading
import time

FAILED, INTERRUPTED = 1, 130
# What a training needs to write its checkpoint after an interrupt.
PATIENCE_SECONDS = 20.0


def main() -> None:
    """Reads what to do from standard input, and does it."""
    pipe = sys.stdin.buffer
    # Plain types only: they need no module of the driver's.
    name, threads, length = pickle.load(pipe)
    content = pipe.read(length)
    if len(content) < length:
        sys.exit(INTERRUPTED)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, daemon=True).start()
    try:
        from keras_sharpness.studies.executors.payload import run_packed

        run_packed(content, name, threads=threads)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        # Its traceback is in the member's folder; this line is for what came
        # before there was one.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(FAILED)


def _watch() -> None:
    """Interrupts the work when the driver closes the pipe, or is no more."""
    # Not through the buffer, whose lock Python wants when it ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
