"""A function of kept tensors and arguments, traced before it is called."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class TracedOnce:
    """A function of kept tensors and arguments, traced before it is called.

    For each number of arguments once. TensorFlow would look up, at every call,
    which trace goes with the tensors, and check each of them against it: with
    two hundred of them that takes as long as a tenth of a product of a small
    network. Here their shapes are those of a graph.

    Args:
        function: Callable `(tensors, several)` that returns nested tensors.
        graph: `tf.Graph`.
        kept: Names of the tensors in it that stand for `tensors`.
        given: Names of those that stand for each of `several`.
        jit_compile: Bool. Whether XLA compiles the function.
    """

    def __init__(
        self,
        function: Callable,
        graph: tf.Graph,
        kept: Sequence[str],
        given: Sequence[str],
        *,
        jit_compile: bool = False,
    ):
        self._function = tf.function(
            function, autograph=False, jit_compile=jit_compile or None
        )
        self._kept, self._given = (
            [
                tf.TensorSpec(tensor.shape, tensor.dtype)
                for tensor in map(graph.get_tensor_by_name, names)
            ]
            for names in (kept, given)
        )
        self._traced: dict[int, Any] = {}

    def __call__(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> Any:
        """What the function returns.

        Args:
            tensors: List of those that are kept.
            several: List of lists of tensors.

        Returns:
            Nested tensors.
        """
        count = len(several)
        if count not in self._traced:
            self._traced[count] = self._function.get_concrete_function(
                self._kept, [self._given] * count
            )
        traced = self._traced[count]
        # Called as `traced(...)`, it would check every tensor after all.
        return traced._call_flat(
            [*tensors, *itertools.chain.from_iterable(several)],
            traced.captured_inputs,
        )
