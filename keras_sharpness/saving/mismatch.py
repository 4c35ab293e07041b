"""Why a model does not fit its data, or another model."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.saving.description import ModelDescription, Shape


def data_mismatch(
    model: ModelDescription,
    x_shape: Sequence[int],
    *,
    num_classes: int | None = None,
    x_values: np.ndarray | None = None,
) -> str | None:
    """Why a model cannot be evaluated on data of that shape.

    Args:
        model: `ModelDescription`.
        x_shape: Shape of the inputs, the number of samples first.
        num_classes: Integer. Number of classes among the labels; `None` for
            labels that are no classes.
        x_values: Array. The inputs themselves, for models that look words up.

    Returns:
        A message, or `None` where the shapes fit or the file does not tell.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    path = pathlib.Path(tempfile.mkdtemp(), "small.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    description = ks.saving.inspect_model(path)
    assert ks.saving.data_mismatch(description, (100, 3)) is None
    assert "expects (None, 3), data have (100, 4)" in ks.saving.data_mismatch(
        description, (100, 4)
    )
    ```
    """
    _check_description("model", model)
    shape = arguments.array("x_shape", x_shape, shape=(None,))
    x_shape = tuple(int(size) for size in shape)
    arguments.integer("num_classes", num_classes, least=1, optional=True)
    if x_values is not None:
        arguments.instance("x_values", x_values, np.ndarray, "a NumPy array")
        arguments.real_array("x_values", x_values, dtype=None)
    if len(model.input_shapes) > 1:
        return (
            "Data do not fit the model: model expects "
            f"{len(model.input_shapes)} inputs, data have one. Choose a model "
            "of one input, or measure it in Python, with `ks.Objective(model, "
            "[x1, x2], y)`."
        )
    if len(model.output_shapes) > 1:
        return (
            "Data do not fit the model: model returns "
            f"{len(model.output_shapes)} outputs, data have targets for one. "
            "Choose a model of one output, or measure it in Python, with "
            "`ks.Objective(model, x, [y1, y2], loss=[...])`."
        )
    if x_values is not None and x_values.dtype.kind == "f":
        mismatch = _not_words(model, x_values)
        if mismatch:
            return mismatch
    data = tuple(x_shape)
    for shape in model.input_shapes:
        if not _fits(shape, data):
            return (
                f"Data do not fit the model: model expects {shape}, data have "
                f"{data}. Choose the data the model was trained on, or reshape "
                "them."
            )
    for shape in model.output_shapes[:1]:
        outputs = shape[-1] if shape else None
        if num_classes is None or outputs is None:
            continue
        # One output can tell two classes apart.
        if outputs < num_classes and (outputs, num_classes) != (1, 2):
            return (
                f"Data do not fit the model: model returns {shape}, data have "
                f"{num_classes} classes. Choose the data the model was trained "
                "on."
            )
    return None


def _not_words(model: ModelDescription, x: np.ndarray) -> str | None:
    """Why an embedding cannot look up what was given, or None."""
    first = next(
        (la for la in model.layers if la.class_name != "InputLayer"), None
    )
    if first is None or first.class_name != "Embedding":
        return None
    if np.array_equal(x, np.floor(x)):
        return None
    return (
        "Data do not fit the model: its first layer, an Embedding, looks whole "
        "numbers up, data have others. `.npz` archives of uint8 are taken for "
        'pixels and divided by 255: save words e.g. as `x_train.astype("int32")'
        "`."
    )


def architecture_mismatch(
    first: ModelDescription, second: ModelDescription
) -> str | None:
    """Why there is no line between the weights of two models.

    Args:
        first: `ModelDescription`.
        second: `ModelDescription`.

    Returns:
        A message that names the first difference, or `None` if the weights
        agree in order and shape.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    folder = pathlib.Path(tempfile.mkdtemp())
    for units in (1, 2):
        layers = [keras.Input((3,)), keras.layers.Dense(units, name="last")]
        keras.Sequential(layers).save(folder / f"{units}.keras")
    one, two = [ks.saving.inspect_model(p) for p in sorted(folder.iterdir())]
    message = ks.saving.architecture_mismatch(one, two)
    assert "layer 1 `last` has shape (3, 1)" in message
    ```
    """
    _check_description("first", first)
    _check_description("second", second)
    start = "These minima cannot be interpolated:"
    end = "Choose models of one architecture."
    rows = itertools.zip_longest(_weighted(first), _weighted(second))
    for number, (a, b) in enumerate(rows, start=1):
        if a is None or b is None:
            return (
                f"{start} `{first.name}` has {len(_weighted(first))} layers "
                f"with weights, `{second.name}` {len(_weighted(second))}. {end}"
            )
        for one, two in itertools.zip_longest(a.weight_shapes, b.weight_shapes):
            if one != two:
                return (
                    f"{start} layer {number} `{a.name}` has shape "
                    f"{_text(one)} in `{first.name}` and `{b.name}` "
                    f"{_text(two)} in `{second.name}`. {end}"
                )
    return None


def _check_description(name: str, value: Any) -> None:
    arguments.instance(
        name,
        value,
        ModelDescription,
        "a ModelDescription",
        "`inspect_model` makes them.",
    )


def _weighted(model: ModelDescription) -> list:
    return [layer for layer in model.layers if layer.weight_shapes]


def _text(shape: Shape | None) -> str:
    return "nothing" if shape is None else str(shape)


def _fits(shape: Shape, data: Shape) -> bool:
    # Keras adds a last axis of one, or takes it away.
    if len(data) == len(shape) - 1 and shape[-1] == 1:
        data = (*data, 1)
    elif len(data) == len(shape) + 1 and data[-1] == 1:
        data = data[:-1]
    return len(shape) == len(data) and all(
        size is None or size == length
        for size, length in zip(shape, data, strict=True)
    )
