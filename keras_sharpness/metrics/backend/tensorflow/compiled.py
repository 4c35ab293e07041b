"""Functions that are compiled also where TensorFlow is told to compile none."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class CompiledFunction:
    """`tf.function`, also while `tf.config.run_functions_eagerly(True)` holds.

    Who looks for a fault in a training switches compiling off for the process.
    Products are cut and ordered as graphs: they are compiled all the same, and
    the switch is left alone.

    Args:
        function: Callable of tensors without optional arguments.
        jit_compile: Bool. Whether by XLA.
        **options: Further options of `tf.function`.
    """

    def __init__(
        self, function: Callable, *, jit_compile: bool = False, **options: Any
    ):
        # Keras does not convert layers by AutoGraph either; without it a
        # layer's exception arrives as it was raised.
        self._function = tf.function(
            function,
            autograph=False,
            jit_compile=jit_compile or None,
            **options,
        )
        # TensorFlow takes the functions of all objectives for one that is
        # traced again and again, and advises against it.
        self._function._omit_frequent_tracing_warning = True

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        if tf.config.functions_run_eagerly():
            return self.get_concrete_function(*arguments)(*arguments)
        return self._function(*arguments)

    def get_concrete_function(self, *arguments: Any) -> Any:
        """As that of `tf.function`."""
        return self._function.get_concrete_function(*arguments)


def compiled(function: Callable, **options: Any) -> CompiledFunction:
    """`function`, compiled; options as of `CompiledFunction`."""
    return CompiledFunction(function, **options)
