"""What all tests share: quiet TensorFlow, and the networks of the oracle."""

import contextlib
import logging
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import pytest

from tests import oracle_networks


class _NoAdvice(logging.Handler):
    """TensorFlow's advice against tracing is an error, like all warnings.

    It counts the tracings of all functions that one line of code makes, so
    that measuring several models would bring it to users.
    """

    def emit(self, record):
        if "retracing" not in record.getMessage():
            return
        # Who called: Keras brings the advice by functions of its own.
        frame = sys._getframe(1)
        while _package(frame) in ("logging", "tensorflow"):
            frame = frame.f_back
        if _package(frame) == "keras_sharpness":
            raise AssertionError(record.getMessage())


def _package(frame):
    return frame.f_globals["__name__"].partition(".")[0]


logging.getLogger("tensorflow").addHandler(_NoAdvice(logging.WARNING))


@contextlib.contextmanager
def precision(name):
    """Networks and losses built in the block have this dtype."""
    before = keras.config.floatx()
    try:
        # The policy of layers is fixed when the first one is built.
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)
        yield name
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)


@pytest.fixture
def float64():
    """Networks built in the test are float64."""
    with precision("float64") as name:
        yield name


@pytest.fixture(params=["float64", "float32"])
def floatx(request):
    """Networks built in the test have each dtype in turn."""
    with precision(request.param) as name:
        yield name


@pytest.fixture(params=sorted(oracle_networks.BUILDERS))
def oracle(request, float64):
    """(model, data) of each oracle network in float64."""
    return oracle_networks.load(request.param)
