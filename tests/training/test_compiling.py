"""Which networks are compiled with XLA, and the fresh optimizer."""

import keras
import pytest

import keras_sharpness as ks
from keras_sharpness.models.xla import gains_from_xla
from keras_sharpness.training.compiling import first_outputs


@pytest.mark.parametrize(
    ("name", "expected"), [("F1", True), ("F2", True), ("C1", False)]
)
def test_networks_of_the_paper(name, expected):
    shape = (32, 32, 3) if name == "C1" else (28, 28, 1)
    model = ks.models.get(name)(num_classes=10, input_shape=shape)
    assert gains_from_xla(model) is expected


def test_nested_models_and_own_layers():
    class Own(keras.layers.Dense):
        pass

    def nested(layer):
        return keras.Sequential([keras.Input((3,)), keras.Sequential([layer])])

    assert gains_from_xla(nested(keras.layers.Dense(2)))
    assert not gains_from_xla(nested(Own(2)))


def test_first_outputs_change_nothing(make_classifier, blobs):
    model = make_classifier(dropout=0.5)
    before = [v.numpy().copy() for v in model.variables]
    outputs = first_outputs(model, blobs[0][:7])
    assert outputs.shape == (7, 3)
    assert (outputs == model(blobs[0][:7], training=False).numpy()).all()
    for variable, value in zip(model.variables, before, strict=True):
        assert (variable.numpy() == value).all()
