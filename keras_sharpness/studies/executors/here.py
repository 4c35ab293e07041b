"""Members one after the other, in this process."""

from collections.abc import Sequence

from keras_sharpness.reasons import short_reason
from keras_sharpness.studies.member_run import run_member
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.work import Work


def run_here(
    work: Work,
    names: Sequence[str],
    bars: StudyProgress,
    *,
    keep_going: bool = True,
) -> dict[str, str]:
    """Runs members in this process, each after those before it.

    Args:
        work: The `Work`.
        names: Sequence of str, members in an order that puts starts first.
        bars: `StudyProgress` that counts the steps of members.
        keep_going: Bool. Whether the others go on when one fails.

    Returns:
        Dict from the names of those that failed to the reason.
    """
    failures = {}
    for name in names:
        try:
            run_member(work, name, bars)
        except Exception as error:
            if not keep_going:
                raise
            failures[name] = f"{type(error).__name__}: {short_reason(error)}"
    return failures
