"""Where the members of a study are trained: here, in processes, on Ray."""

from keras_sharpness.studies.executors.choose import (
    Executor,
    ExecutorName,
    run_members,
)

__all__ = ["Executor", "ExecutorName", "run_members"]
