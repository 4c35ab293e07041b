"""A study's work as bytes, and what runs a member of it somewhere else.

Functions and classes of the user's own script travel by value, so that a
worker need not run the script again. The bytes go through a pipe and are never
stored.
"""

import dataclasses
import io
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
import keras

from keras_sharpness.studies.member_run import run_member
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.work import Work
from keras_sharpness.training.backend.devices import set_num_threads

# What other libraries than Keras' backend divide their sums by.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@dataclasses.dataclass(frozen=True)
class Setup:
    """What Keras is set to in the driver, and must be in a worker.

    Attributes:
        floatx: Str.
        dtype_policy: Str.
        image_data_format: Str.
    """

    floatx: str
    dtype_policy: str
    image_data_format: str

    @classmethod
    def here(cls) -> "Setup":
        """That of this process."""
        return cls(
            keras.config.floatx(),
            keras.config.dtype_policy().name,
            keras.config.image_data_format(),
        )

    def apply(self) -> None:
        """Sets this process to the same."""
        keras.config.set_floatx(self.floatx)
        keras.config.set_dtype_policy(self.dtype_policy)
        keras.config.set_image_data_format(self.image_data_format)


def packed(work: Work) -> bytes:
    """The work, how Keras is set, and the classes it knows, as bytes.

    Args:
        work: The `Work`.

    Returns:
        Bytes for `run_packed`.
    """
    buffer = io.BytesIO()
    known = dict(keras.saving.get_custom_objects())
    _Pickler(buffer).dump((Setup.here(), known, work))
    return buffer.getvalue()


def run_packed(content: bytes, name: str, *, threads: int) -> None:
    """Runs one member in this process, which does nothing else.

    Args:
        content: Bytes that `packed` returned.
        name: Str. The member's name.
        threads: Int. How many threads share its work.
    """
    set_num_threads(threads)
    setup, known, work = pickle.loads(content)
    setup.apply()
    keras.saving.get_custom_objects().update(known)
    with StudyProgress(0, show=False) as bars:
        run_member(work, name, bars)


def worker_environment(threads: int) -> dict[str, str]:
    """Variables that must be set before a worker imports anything.

    Args:
        threads: Int. How many threads share its work.

    Returns:
        Dict.
    """
    return {
        "KERAS_BACKEND": keras.backend.backend(),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        # Several trainings may share a GPU.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        # Where the driver finds the modules that the work names.
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
    }


class _Pickler(cloudpickle.Pickler):
    """Keras objects of unregistered classes travel as class and settings."""

    def reducer_override(self, item: Any) -> Any:
        kinds = (keras.optimizers.Optimizer, keras.losses.Loss)
        if isinstance(item, kinds) and _is_own(type(item)):
            return _from_config, (type(item), item.get_config())
        return super().reducer_override(item)


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] != "keras"


def _from_config(kind: Callable, config: dict[str, Any]) -> Any:
    return kind.from_config(config)
