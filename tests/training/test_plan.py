"""The numbers of a training, checked."""

import pytest

from keras_sharpness.training.plan import Plan

NUMBERS = {
    "batch_size": 30,
    "epochs": 4,
    "num_samples": 100,
    "num_validation_samples": 0,
    "patience": None,
    "min_delta": 0.0,
    "seed": 0,
}


def test_a_short_last_batch_counts():
    plan = Plan(**NUMBERS)
    assert plan.num_batches() == 4
    assert plan.num_batches(100) == 1
    assert plan.num_batches(99) == 2


def test_settings_are_those_of_before_where_nothing_new_is_asked():
    assert Plan(**NUMBERS).settings == NUMBERS
    more = Plan(**NUMBERS, stop_loss=0.1, learning_rate_scaling="sqrt")
    assert more.settings == {
        **NUMBERS,
        "stop_loss": 0.1,
        "learning_rate_scaling": "sqrt",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 101),
        ("epochs", 0),
        ("patience", 0),
        ("min_delta", -1.0),
        ("stop_loss", float("nan")),
        ("learning_rate_scaling", "cubic"),
        ("base_batch_size", 0),
        ("warmup_epochs", -1),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Plan(**{**NUMBERS, name: value})
