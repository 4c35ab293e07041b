"""What all tests share: quiet TensorFlow, and the networks of the oracle."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import pytest

from tests import oracle_networks


@pytest.fixture
def float64():
    """Networks built in the test are float64."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


@pytest.fixture(params=["float64", "float32"])
def floatx(request):
    """Networks built in the test have each dtype in turn."""
    before = keras.config.floatx()
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx(before)


@pytest.fixture(params=sorted(oracle_networks.BUILDERS))
def oracle(request, float64):
    """(model, data) of each oracle network in float64."""
    return oracle_networks.load(request.param)
