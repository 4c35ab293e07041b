import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Number(Result):
    value: float
    vector: np.ndarray | None = None


@pytest.fixture
def number():
    """Makes a result from a number and perhaps a vector."""

    def make(value, vector=None):
        return Number(value=value, vector=vector)

    return make


@pytest.fixture
def python():
    """Starts Python programs, and ends those that still run."""
    started = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "CUDA_VISIBLE_DEVICES": "-1",
            },
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
