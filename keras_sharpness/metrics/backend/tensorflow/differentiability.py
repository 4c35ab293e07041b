"""Which layer cannot be differentiated."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import keras
import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)

# The derivative of the first three is registered as none at all, so that a
# product through them would lack a part without a word; the last one stands for
# the gradient of a function that has none, and fails when it is run.
_WITHOUT_A_WORD = {
    "FakeQuantWithMinMaxArgsGradient",
    "FakeQuantWithMinMaxVarsGradient",
    "FakeQuantWithMinMaxVarsPerChannelGradient",
    "SymbolicGradient",
}
_LABEL = "keras-sharpness-layer-"


class UndifferentiableError(ValueError):
    """A layer has no derivative of the order asked for.

    Attributes:
        layers: Tuple of str. The names of the layers, empty where it is the
            loss.
        operation: Str. TensorFlow's operation without a gradient.
    """

    def __init__(self, message: str, layers: tuple[str, ...], operation: str):
        super().__init__(message)
        self.layers = layers
        self.operation = operation


def naming_layers(
    model: keras.Model, function: Callable, *, twice: bool
) -> Callable:
    """`function`, but a missing gradient is an error with the layer's name.

    TensorFlow says no more than the operation. To find the layer the function
    is traced again, with the operations of each layer labelled.

    Args:
        model: `keras.Model`, which `function` calls.
        function: Callable that is traced, and differentiates while it is.
        twice: Bool. Whether it differentiates a derivative. Then a derivative
            that TensorFlow takes to be zero is an error too.

    Returns:
        Callable.

    Raises:
        UndifferentiableError: By the callable, where TensorFlow lacks a
            gradient or has registered none on purpose.
    """

    def named(*arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except LookupError as error:
            # An index or key that is missing is the model's own affair.
            if type(error) is not LookupError:
                raise
            _raise_named(model, function, arguments, error)
        if twice and _operations(_WITHOUT_A_WORD):
            _raise_named(model, function, arguments, None)
        return result

    return named


def _raise_named(
    model: keras.Model,
    function: Callable,
    arguments: tuple,
    cause: LookupError | None,
) -> NoReturn:
    found = []

    def traced(*arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except LookupError as error:
            found.append(_operation(str(error)))
            raise
        silent = _operations(_WITHOUT_A_WORD)
        found.append((silent[0][1], [name for name, _ in silent]))
        return result

    # In a graph of its own: two traces in one graph may collide.
    again = tf.function(traced, autograph=False)
    with _labelled(model) as layers, contextlib.suppress(LookupError):
        again.get_concrete_function(*arguments)
    ((operation, scopes),) = found
    guilty = tuple(
        dict.fromkeys(
            layers[int(labels[-1])]
            for labels in (re.findall(_LABEL + r"(\d+)", s) for s in scopes)
            if labels
        )
    )
    culprit, remedy = "The loss", "Use another loss."
    if guilty:
        culprit = f"Layer {', '.join(map(repr, guilty))}"
        remedy = (
            "Replace what uses it; or freeze the layer and all before it by "
            "`trainable=False`."
        )
    raise UndifferentiableError(
        f"{culprit} cannot be differentiated as often as is asked for: "
        f"TensorFlow has no gradient of its operation {operation}. {remedy}",
        guilty,
        operation,
    ) from cause


def _operation(message: str) -> tuple[str, list[str]]:
    """The operation that a LookupError complains of, and names that hold it."""
    found = re.search(r"operation ?'([^']+)' \(op type: (\w+)\)", message)
    if found:  # inside a loop
        name, operation = found.groups()
        return operation, [name]
    found = re.search(r"no entry for: (\w+)", message)
    # Otherwise TensorFlow forbids it: "Gradient explicitly disabled".
    operation = found[1] if found else "PreventGradient"
    return operation, [name for name, _ in _operations({operation})]


def _operations(types: Iterable[str]) -> list[tuple[str, str]]:
    """Name and type of the operations of these types, those in loops too.

    Of one inside a function it is the name of what calls the function.
    """
    graph = tf.compat.v1.get_default_graph()
    seen: dict[str, set[str]] = {}

    def types_in(name: str) -> set[str]:
        if name not in seen:
            seen[name] = set()  # functions may call themselves
            function = graph._get_function(name)
            # The second is how `tf.compat.v1` calls it.
            definition = getattr(function, "cached_definition", None)
            for node in (definition or function.definition).node_def:
                seen[name] |= {node.op} | called(node)
        return seen[name]

    def called(node: Any) -> set[str]:
        names = {value.func.name for value in node.attr.values()} - {""}
        return set().union(
            *(types_in(n) for n in names if graph._is_function(n))
        )

    # Few graphs hold functions, and to ask an operation for its node is slow.
    has_functions = bool(graph._functions)
    return [
        (operation.name, found)
        for operation in graph.get_operations()
        for found in types
        if found == operation.type
        or (has_functions and found in called(operation.node_def))
    ]


@contextlib.contextmanager
def _labelled(model: keras.Model) -> Iterator[list[str]]:
    """Within the block each layer's operations have its number in their name.

    Keras names them after the layer, but TensorFlow then numbers the names, so
    that `dense_1` may be the second layer or the second call of the first.

    Args:
        model: `keras.Model`.

    Yields:
        List of the layers' names.
    """
    layers = list(model._flatten_layers())

    def labelled(call: Callable, *args: Any, label: str, **kwargs: Any) -> Any:
        with tf.name_scope(label):
            return call(*args, **kwargs)

    with contextlib.ExitStack() as stack:
        for number, layer in enumerate(layers):
            call = functools.partial(labelled, label=f"{_LABEL}{number}")
            stack.enter_context(replaced_functions(layer, call=call))
        yield [layer.name for layer in layers]
