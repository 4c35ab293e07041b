"""What a model file says of itself."""

import dataclasses

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class LayerDescription:
    """One layer of a model file; layers inside of layers count to it.

    Attributes:
        name: Str.
        class_name: Str, e.g. `"Dense"`.
        parameters: Int. Number of weights, trainable or not.
        weight_shapes: Tuple of shapes, in the order of the file.
        output_shape: Shape with `None` for the batch and other free sizes, or
            `None` where the file does not tell.
    """

    name: str
    class_name: str
    parameters: int
    weight_shapes: tuple[tuple[int, ...], ...]
    output_shape: Shape | None


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """What a `.keras` file says of itself, read without Keras.

    Texts that come from the file are cut to 80 characters and cleaned of
    whatever would format them.

    Attributes:
        name: Str. What messages call the file.
        size: Int. Bytes.
        sha256: Str. Of the whole file.
        keras_version: Str. What wrote it, or `"unknown"`.
        date_saved: Str, or `"unknown"`.
        model_class: Str. Class of the model, e.g. `"Functional"`.
        layers: Tuple of `LayerDescription`, in the order they were saved.
        layer_classes: Tuple of str. The distinct classes of all layers, those
            inside of layers included.
        parameters: Int. What `model.count_params()` will be.
        input_shapes: Tuple of shapes, one for each input; empty where the file
            does not tell.
        output_shapes: Tuple of shapes, likewise.
        optimizer: Str. Class the model was compiled with, or `None`.
        loss: Str. Name of the loss it was compiled with, or `None`.
        non_finite: Tuple of str. Places in the file of weights that hold NaN
            or infinity.
        has_batch_norm: Bool. Whether interpolated weights need a decision on
            running statistics.
    """

    name: str
    size: int
    sha256: str
    keras_version: str
    date_saved: str
    model_class: str
    layers: tuple[LayerDescription, ...]
    layer_classes: tuple[str, ...]
    parameters: int
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    optimizer: str | None
    loss: str | None
    non_finite: tuple[str, ...]
    has_batch_norm: bool
