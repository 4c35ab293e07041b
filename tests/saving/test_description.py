"""Descriptions outlast the process that made them."""

import pickle

from keras_sharpness.saving import (
    inspect_model,
)


def test_descriptions_can_be_kept_and_compared(small):
    model = inspect_model(small)
    assert pickle.loads(pickle.dumps(model)) == model
    assert hash(model) == hash(inspect_model(small))
