"""Points of weight space: held, and where compiled functions stand."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.compiled import compiled
from keras_sharpness.metrics.backend.tensorflow.forgotten_gradients import (
    forgotten_gradients,
)


def held(
    values: Iterable[Any], dtypes: Iterable[str] | None = None
) -> list[tf.Tensor]:
    """Values as tensors that later training does not move.

    Without a copy: TensorFlow makes one when a variable changes whose value is
    still held.

    Args:
        values: Variables or arrays.
        dtypes: Of the tensors; those of the values when left out.

    Returns:
        List of tensors.
    """
    tensors = [
        # Keras would hand a variable back as it is, and that moves.
        tf.convert_to_tensor(
            value.value if isinstance(value, keras.Variable) else value
        )
        for value in values
    ]
    if dtypes is None:
        return tensors
    return [
        tf.cast(tensor, dtype)
        for tensor, dtype in zip(tensors, dtypes, strict=True)
    ]


class EvaluationPoint:
    """Weights and state that compiled functions read, apart from the model's.

    Weights and state are read from variables: handing them over as arguments
    costs as much as a small batch. They stand at one point at a time, so one
    thread at a time may measure.

    Args:
        weights: Variables, copied now: `model.trainable_variables`.
        state: Variables, copied now: `model.non_trainable_variables`.
    """

    def __init__(
        self,
        weights: Iterable[keras.Variable],
        state: Iterable[keras.Variable],
    ):
        self._weights = [_copy(variable) for variable in weights]
        self._state = [_copy(variable) for variable in state]
        self._compiled: dict[Any, Callable] = {}
        self._standing: dict[int, Any] = {}
        # Of the innermost block, if it still stands there.
        self._place: list[Any] | None = None
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def at(
        self, weights: Iterable[Any] | None, state: Iterable[Any]
    ) -> Iterator:
        """Within the block the compiled functions stand there.

        A block inside another one at the same variables leaves them where
        they are: nothing may move the variables meanwhile.

        Args:
            weights: Arrays or variables; None where they do not matter.
            state: Arrays or variables.

        Yields:
            Nothing.
        """
        weights, state = list(weights or ()), list(state)
        place = [*weights, *state]
        with self._lock:
            outer, self._place = self._place, place
            if not _are_the_same(outer, place):
                if weights:
                    self._assign(self._weights, weights)
                self._assign(self._state, state)
            try:
                yield
            finally:
                # Where the outer block stood, the inner one has left.
                self._place = outer if _are_the_same(outer, place) else None

    def move_state(self, estimate: Callable[[list], Iterable[Any]]) -> None:
        """Replaces the state by `estimate(state)`."""
        self._place = None
        self._assign(self._state, estimate(self._state))

    def call(self, function: Callable, *arguments: Any) -> Any:
        """`function(weights, state, *arguments)`, without compiling it."""
        weights, state = (
            [tf.convert_to_tensor(variable) for variable in variables]
            for variables in (self._weights, self._state)
        )
        return function(weights, state, *arguments)

    def compile(
        self,
        key: Any,
        function: Callable,
        *,
        jit_compile: bool = False,
        reads_weights: bool = True,
    ) -> Callable:
        """`function(weights, state, …)` compiled as a function of the rest.

        Args:
            key: Hashable. Under which it is kept for the next time.
            function: Callable.
            jit_compile: Bool. Whether by XLA.
            reads_weights: Bool. False for a `function(state, …)` that gets
                its weights another way.

        Returns:
            Callable.
        """

        def at_present_point(*arguments):
            state = [tf.convert_to_tensor(v) for v in self._state]
            with forgotten_gradients():
                if not reads_weights:
                    return function(state, *arguments)
                weights = [tf.convert_to_tensor(v) for v in self._weights]
                return function(weights, state, *arguments)

        if key not in self._compiled:
            self._compiled[key] = compiled(
                at_present_point,
                reduce_retracing=True,
                jit_compile=jit_compile,
            )
        return self._compiled[key]

    def _assign(
        self, variables: list[tf.Variable], values: Iterable[Any]
    ) -> None:
        for variable, value in zip(variables, values, strict=True):
            if isinstance(value, keras.Variable) and _follow(
                variable, value.value
            ):
                self._standing[id(variable)] = None
                continue
            # Tensors do not change: one that stands there already stays, as
            # moving statistics do while only the weights move.
            if self._standing.get(id(variable)) is value:
                continue
            tensor = keras.ops.convert_to_tensor(value, variable.dtype)
            variable.assign(tensor, read_value=False)
            self._standing[id(variable)] = (
                value if isinstance(value, tf.Tensor) else None
            )


def _are_the_same(one: list[Any] | None, other: list[Any]) -> bool:
    """Whether the variables are; equal arrays are not compared."""
    return (
        one is not None
        and len(one) == len(other)
        and all(
            a is b and isinstance(a, keras.Variable)
            for a, b in zip(one, other, strict=True)
        )
    )


def _follow(variable: tf.Variable, source: Any) -> bool:
    """Gives a variable the value of another; says whether it could.

    In half the time of `assign`, which for the dozens of variables of a network
    counts beside a gradient. Variables of strategies have no single place.
    """
    if not all(
        isinstance(each, tf.Variable)
        and not isinstance(each, tf.distribute.DistributedValues)
        for each in (variable, source)
    ):
        return False
    value = tf.raw_ops.ReadVariableOp(
        resource=source.handle, dtype=source.dtype
    )
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
    return True


def _copy(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(keras.ops.convert_to_tensor(variable), trainable=False)
