"""Where and how the trainings of a study run."""

from typing import TypedDict

from keras_sharpness.studies.executors import ExecutorName


class RunOptions(TypedDict, total=False):
    """The arguments of `Study.run`, which every named study passes on."""

    executor: ExecutorName | None
    workers: int
    threads: int | None
    gpus: float
    ray_address: str | None
    progress: bool
