"""Products with a matrix at a point; what they have in common is kept."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import psutil
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
)
from keras_sharpness.metrics.backend.tensorflow.fusion import gains_from_fusion
from keras_sharpness.metrics.backend.tensorflow.graphs import mean_bytes
from keras_sharpness.metrics.backend.tensorflow.max_pooling import (
    quick_max_pooling,
)
from keras_sharpness.metrics.backend.tensorflow.two_stages import TwoStages

# Bytes that an operation of the product puts out over all data, from which on
# its second stage and XLA pay. To import, optimise and compile one takes about
# a millisecond, to write so many bytes 0.2: a quarter of that saved is repaid
# within twenty products. Above lie F1, C1, and the residual network and the
# transformer of benchmarks/peers on 100 samples (8.5e5 and 1e6); below,
# networks of `keras.applications` on 8 images (3e5 to 4e5).
_COSTLY = 7e5


class KeptProduct:
    """A function `(weights, state, vector, *others)` that is linear in vector.

    Args:
        point: `EvaluationPoint`, which gives weights and state.
        key: Hashable. Under which the point keeps what is compiled.
        product: Callable `(weights, state, vector, *others)` → list of
            tensors, vector a list of tensors.

    Attributes:
        is_costly: Bool. Whether to keep what products have in common pays, as
            `plan` found out; None before it.
    """

    def __init__(self, point: EvaluationPoint, key: Any, product: Callable):
        self._point = point
        self._key = key
        self._product = product
        self.is_costly: bool | None = None
        self._is_fused = False
        self._stages: dict[int, tuple[Any, TwoStages]] = {}

    def once(self, vector: list[Any], others: Sequence[Any]) -> list[Any]:
        """One product, of which nothing is kept."""
        run = self._compiled(jit_compile=self._is_fused)
        return run(vector, *others)

    def plan(
        self,
        vector: list[Any],
        others: Sequence[Any],
        *,
        batch_size: int,
        num_samples: int,
        without: Collection[tuple],
    ) -> None:
        """Decides whether to keep what products share, and whether to use XLA.

        By the graph of a product as it is computed where it is cheap. So
        nothing is traced that is not needed there, and the same product is
        computed the same way every time.

        Args:
            vector: List of tensors.
            others: Sequence of tensors.
            batch_size: Int. Samples in them.
            num_samples: Int. N.
            without: Shapes of tensors that do not grow with the data: those
                of the weights.
        """
        function = self._compiled().get_concrete_function(vector, *others)
        work = mean_bytes(function, batch_size, without=set(without))
        # Products of matrices cost by weights times samples: about a byte each.
        size = sum(tf.size(part).numpy() for part in vector)
        work = work / batch_size + size / len(function.graph.get_operations())
        self.is_costly = bool(work * num_samples >= _COSTLY)
        self._is_fused = self.is_costly and gains_from_fusion(function)

    def keep(
        self,
        vector: list[Any],
        others: Sequence[Any],
        *,
        batch_size: int,
        room: float,
    ) -> "LinearMap | None":
        """What products with any vector have in common, computed now.

        Args:
            vector: List of tensors, of which the shapes count.
            others: Sequence of tensors.
            batch_size: Int. Samples in them.
            room: Float. Bytes that it may take.

        Returns:
            `LinearMap`, or None where it would take more.
        """
        function = self._compiled(pooling=quick_max_pooling)
        concrete = function.get_concrete_function(vector, *others)
        if id(concrete) not in self._stages:
            stages = TwoStages(
                concrete, len(vector), jit_compile=self._is_fused
            )
            # With the function, so that no other gets its identity.
            self._stages[id(concrete)] = (concrete, stages)
        stages = self._stages[id(concrete)][1]
        # Ragged and sparse tensors are several.
        flat = tf.nest.flatten(list(others), expand_composites=True)
        tensors = [tensor for tensor in flat if tensor is not None]
        num_bytes = stages.num_bytes(batch_size)
        if num_bytes > room:
            return None
        return LinearMap(stages, stages.first(tensors), num_bytes)

    def _compiled(
        self, *, pooling: Callable | None = None, jit_compile: bool = False
    ) -> Callable:
        def product(weights, state, vector, *others):
            if pooling is None:
                return self._product(weights, state, vector, *others)
            with pooling():
                return self._product(weights, state, vector, *others)

        return self._point.compile(
            (self._key, pooling, jit_compile), product, jit_compile=jit_compile
        )


class LinearMap:
    """A product at a point, with all that does not depend on the vector.

    Args:
        stages: `TwoStages`.
        tensors: List of tensors, what its first stage returned.
        num_bytes: Int. What they take.
    """

    def __init__(self, stages: TwoStages, tensors: list[Any], num_bytes: int):
        self._stages = stages
        self._tensors = tensors
        self.num_bytes = num_bytes

    def block(self, vectors: Sequence[list[Any]]) -> list[list[Any]]:
        """The products with several vectors, each a list of tensors."""
        return [
            product
            for vector in vectors
            for product in self._stages.second(self._tensors, [vector])
        ]


def free_memory() -> int:
    """Bytes free on the host.

    TensorFlow does not tell how much memory a GPU has, only what it took of
    it; on a machine with one this bounds what the host could hand over.
    """
    return psutil.virtual_memory().available
