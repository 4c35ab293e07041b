"""Whether a model runs code that Keras did not write."""

from collections.abc import Iterator
from typing import Any

import keras

_OF_KERAS = ("keras.", "keras_sharpness.")
# What runs when a model is called or its loss computed; the functions that
# training leaves behind in it do not.
_OF_MODELS = ("call", "compute_loss", "_compute_loss", "activity_regularizer")


def is_of_keras(value: Any) -> bool:
    """Whether Keras wrote a function, or the class of an object.

    Args:
        value: A function, a class or an object.

    Returns:
        Bool.
    """
    # That of an object is its class's.
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and module.startswith(_OF_KERAS)


def runs_callers_code(model: keras.Model) -> bool:
    """Whether anything but Keras' own code runs when a model is called.

    Layers, models, operations, activations, regularisers and functions of the
    caller's own may read any weight and mix the samples of a batch, which
    nobody can know from outside; so may Keras' own operations that get a
    variable for an argument.

    Args:
        model: Built `keras.Model`.

    Returns:
        Bool.
    """
    layers = list(model._flatten_layers())
    regularizers = [
        variable.regularizer
        for variable in model.trainable_variables
        if getattr(variable, "regularizer", None) is not None
    ]
    return (
        any(map(_runs_callers_code, layers))
        or not all(map(is_of_keras, regularizers))
        or any(
            _runs_callers_code(node.operation)
            or any(map(_is_callers, _arguments(node)))
            for node in graph_nodes(model)
        )
    )


def graph_nodes(model: keras.Model) -> Iterator[Any]:
    """The calls that a model's graph is made of, those of nested ones too.

    Args:
        model: Built `keras.Model`.

    Yields:
        Keras' nodes. None of models that are no graphs.
    """
    for layer in model._flatten_layers():
        function = (
            layer._functional if isinstance(layer, keras.Sequential) else layer
        )
        if hasattr(function, "operations"):
            for nodes in function._nodes_by_depth.values():
                yield from nodes


def _arguments(node: Any) -> list[Any]:
    arguments = node.arguments
    return keras.tree.flatten((arguments.args, arguments.kwargs))


def _runs_callers_code(operation: Any) -> bool:
    """Whether a layer or operation does, apart from its arguments."""
    if not is_of_keras(type(operation)):
        return True
    attributes = vars(operation)
    values = (
        map(attributes.get, _OF_MODELS)
        if isinstance(operation, keras.Model)
        else attributes.values()
    )
    # Another thread may trace the model now, and replace `call` meanwhile by a
    # function that passes for Keras' own.
    return any(
        callable(value) and not is_of_keras(value)
        for value in values
        if not isinstance(value, keras.Layer)
    )


def _is_callers(argument: Any) -> bool:
    if isinstance(argument, keras.KerasTensor):
        return False
    return isinstance(argument, keras.Variable) or callable(argument)
