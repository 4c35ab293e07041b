"""Shapes that a file tells against those of the model."""

import keras

from keras_sharpness.saving import (
    inspect_model,
)


def test_shapes_of_a_functional_model(tmp_path):
    a = keras.Input((6, 4), name="a")
    b = keras.Input((None, 4), name="b")
    attended = keras.layers.MultiHeadAttention(2, 3, name="attend")(a, b)
    pooled = keras.layers.GlobalAveragePooling1D(name="pool")(a + attended)
    outputs = {
        "one": keras.layers.Dense(2, name="one")(pooled),
        "two": keras.layers.Softmax(name="two")(pooled),
    }
    keras.Model([a, b], outputs).save(tmp_path / "a.keras")
    model = inspect_model(tmp_path / "a.keras")
    assert model.input_shapes == ((None, 6, 4), (None, None, 4))
    assert model.output_shapes == ((None, 2), (None, 4))
    found = {layer.name: layer.output_shape for layer in model.layers}
    assert found == {
        "attend": (None, 6, 4),
        "pool": (None, 4),
        "one": (None, 2),
        "two": (None, 4),
    }
