"""What lives in the process in which it was made."""

import os
from typing import NoReturn, Self

_REMEDY = (
    "Send the model's file and the data instead, and make the Objective in the "
    "process that uses it, one that was started by 'spawn': "
    "multiprocessing.get_context('spawn')."
)
# The process in which TensorFlow computes for us.
_process: int | None = None


class ProcessBound:
    """Base of what holds functions that TensorFlow has compiled.

    It can be copied by `copy.copy`, which shares them, and not be pickled.
    """

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or deep-copied, as it "
            f"holds functions that TensorFlow has compiled. {_REMEDY}"
        )


def check_process() -> None:
    """Refuses to compute in a fork of a process that has computed.

    TensorFlow's threads do not survive a fork: what waits for them would wait
    for ever.

    Raises:
        RuntimeError: In such a process.
    """
    global _process
    here = os.getpid()
    if _process is None:
        _process = here
    if _process != here:
        raise RuntimeError(
            f"This process, {here}, was forked from {_process} after an "
            "Objective had been made there, and TensorFlow's threads do not "
            f"survive a fork: it would hang. {_REMEDY}"
        )
