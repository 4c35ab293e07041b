"""The table of layers against the model that was saved."""

from keras_sharpness.saving import (
    LayerDescription,
    inspect_model,
)


def test_layers_in_the_order_of_the_model(small):
    """The loss and the optimizer of the compiled model are no layers."""
    norm = ((2,), (2,), (2,), (2,))
    image = (None, 2, 2, 2)
    assert inspect_model(small).layers == (
        LayerDescription("conv", "Conv2D", 20, ((3, 3, 1, 2), (2,)), image),
        LayerDescription("norm", "BatchNormalization", 8, norm, image),
        LayerDescription("relu", "Activation", 0, (), image),
        LayerDescription("flatten", "Flatten", 0, (), (None, 8)),
        LayerDescription("dense", "Dense", 27, ((8, 3), (3,)), (None, 3)),
        LayerDescription("last", "Dense", 8, ((3, 2), (2,)), (None, 2)),
    )
    assert inspect_model(small).layer_classes == (
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "Flatten",
        "Dense",
    )
