import json

import numpy as np
import pytest

from keras_sharpness.runs.checks import (
    check_result,
    checked_name,
    checked_settings,
)


@pytest.mark.parametrize(
    "name", ["a", "_", "epsilon_sharpness-1e-3-full", "F1-256,s=0", "x" * 200]
)
def test_names(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "../a", "a/b", "a\\b", ".a", "-a", "a b", "ä", "a\n", "a:b"],
)
def test_names_that_no_file_has_everywhere(name):
    message = r"`filename` must consist of .*Received: filename=.*Pass e\.g\."
    with pytest.raises(ValueError, match=message):
        checked_name(name, "filename")


@pytest.mark.parametrize("name", ["x" * 201, None, 3])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="`name` must consist of"):
        checked_name(name)


def test_settings_go_to_json():
    settings = {
        "a": np.int64(3),
        2: (1, [np.float32(0.5)]),
        "c": {"d": np.inf},
        "e": None,
    }
    checked = checked_settings(settings)
    assert json.loads(json.dumps(checked, allow_nan=False)) == checked
    assert checked["a"] == 3
    assert checked["2"] == [1, [0.5]]


def test_settings_that_are_no_dict():
    with pytest.raises(TypeError, match=r"`settings` must be a dict.*\[1\]"):
        checked_settings([1])


def test_settings_that_do_not_go_to_json():
    with pytest.raises(TypeError, match="of type object"):
        checked_settings({"a": object()})


def test_result_that_is_none():
    with pytest.raises(TypeError, match=r"`Result` can be stored.* dict\. "):
        check_result({"value": 1.0})
