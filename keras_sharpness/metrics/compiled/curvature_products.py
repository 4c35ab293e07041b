"""Curvature matrices times vectors, batch by batch."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.compiled.batch_parts import BatchParts
from keras_sharpness.metrics.compiled.block_size import (
    MAX_BLOCK,
    at_once_of,
    block_size_for,
)
from keras_sharpness.metrics.compiled.evaluation_point import EvaluationPoint
from keras_sharpness.metrics.compiled.flat_arrays import add, fill
from keras_sharpness.metrics.compiled.fusion import gains_from_fusion
from keras_sharpness.metrics.compiled.kept_passes import KeptPasses
from keras_sharpness.metrics.compiled.tensor_bytes import (
    graph_bytes,
    mean_bytes,
)
from keras_sharpness.metrics.compiled.two_stages import TwoStages
from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.derivatives import Derivatives
from keras_sharpness.metrics.gradients.differentiability import naming_layers
from keras_sharpness.metrics.gradients.max_pooling import quick_max_pooling
from keras_sharpness.metrics.loss.batch_loss import BatchLoss
from keras_sharpness.metrics.weights import WeightLayout

# Operations of the gradient that put out more bytes, on average, have work for
# all cores but between them: two vectors side by side gained a small ResNet 5
# to 9 %, whatever its batch, and C1 nothing; four gained it another 1 %.
_LARGE = 5e5
_AT_ONCE_IF_LARGE = 2


class CurvatureProducts:
    """Multiplies blocks of vectors by curvature matrices of an objective.

    Args:
        model: Built `keras.Model`.
        batch_loss: `BatchLoss`.
        layout: `WeightLayout`.
        point: `EvaluationPoint`, where compiled functions stand.
        block_size: Int. Vectors multiplied at once, None for as many as gain
            time and the free memory has room for.
        jit_compile: Bool. Whether XLA compiles what multiplies where it makes
            that faster.
        parts: `BatchParts`, or None where batches are not to be cut.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        batch_loss: BatchLoss,
        layout: WeightLayout,
        point: EvaluationPoint,
        block_size: int | None,
        jit_compile: bool,
        parts: BatchParts | None,
    ):
        self._model = model
        self._batch_loss = batch_loss
        self._layout = layout
        self._point = point
        self._block_size = block_size
        self._jit_compile = jit_compile
        self._parts = parts
        self._is_looked_at = False
        self._at_most: int | None = None
        self._stages: dict[int, tuple[Any, TwoStages]] = {}

    def kept_passes(self) -> KeptPasses:
        """An empty store of first passes, for products at one point."""
        return KeptPasses(self._two_stages)

    def multiply(
        self,
        total: np.ndarray,
        vectors: np.ndarray,
        curvature: Curvature,
        *,
        batches: Iterable[Batch],
        share: Callable[[Any], tf.Tensor],
        at: Callable[[], contextlib.AbstractContextManager],
        kept: KeptPasses | None,
        differentiate: Callable,
    ) -> None:
        """The sums of the products with all batches.

        Args:
            total: Array (K, P), float64, that they are written into.
            vectors: Array (K, P), real.
            curvature: `Curvature`.
            batches: Iterable of `Batch`.
            share: Callable. What a batch's part of the mean is multiplied by.
            at: Callable. A context in which compiled functions stand at the
                point; it is entered only when the point has to be looked at.
            kept: `KeptPasses` of this point, or None.
            differentiate: Callable. The compiled gradient of a batch, by
                which the memory and the use of XLA are estimated.
        """
        batch = next(iter(batches))
        with contextlib.ExitStack() as stack:

            @functools.cache
            def stand() -> None:
                stack.enter_context(at())

            if not self._is_looked_at:
                self._decide(batch, share, differentiate)
            at_once = self._vectors_at_once(
                len(vectors), batch, share, differentiate
            )
            in_stages = kept is not None or len(vectors) > 1
            compiled = self._compiled(curvature, in_stages)
            # What is kept serves all vectors. What is not is computed anew for
            # every step, and data sets are read anew.
            step = at_once if kept is not None else max(at_once, MAX_BLOCK)
            for start in range(0, len(vectors), step):
                block = slice(start, start + step)
                tensors = self._tensors(vectors[block], curvature)
                for index, part in enumerate(self._in_parts(batches)):
                    others = (*part[:3], share(part), tf.constant(index))
                    if not in_stages:
                        stand()
                        products = [compiled(tensors[0], *others)]
                    else:
                        passes = self.kept_passes() if kept is None else kept
                        products = passes.products(
                            compiled,
                            tensors,
                            others,
                            index,
                            part.size,
                            stand,
                            at_once=at_once,
                        )
                    write = add if index else fill
                    for row, product in zip(
                        total[block], products, strict=True
                    ):
                        write(row, product)

    def _decide(
        self, batch: Batch, share: Callable, differentiate: Any
    ) -> None:
        # By the operations of the gradient; those of its derivatives are of
        # the same kinds.
        if self._jit_compile or self._parts is not None:
            gradient = differentiate.get_concrete_function(
                *batch[:3], share(batch)
            )
            self._jit_compile &= gains_from_fusion(gradient)
            if self._parts is not None:
                self._parts.decide(
                    batch, gradient, jit_compile=self._jit_compile
                )
        self._is_looked_at = True

    def _in_parts(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if self._parts is None:
                yield batch
            else:
                yield from self._parts.of(batch)

    def _compiled(self, curvature: Curvature, in_stages: bool) -> Callable:
        def vector_first(weights, state, vector, x, y, weight, share, index):
            pooling = (
                quick_max_pooling() if in_stages else contextlib.nullcontext()
            )
            with pooling:
                return multiply(
                    weights, state, x, y, weight, share, vector, index
                )

        multiply = naming_layers(
            self._model,
            curvature.product(Derivatives(self._batch_loss, curvature.places)),
            twice=True,
        )
        return self._point.compile(
            (curvature, in_stages), vector_first, jit_compile=self._jit_compile
        )

    def _two_stages(self, compiled: Any, arguments: tuple) -> TwoStages:
        concrete = compiled.get_concrete_function(*arguments)
        if id(concrete) not in self._stages:
            stages = TwoStages(
                concrete,
                len(tf.nest.flatten(arguments[0])),
                jit_compile=self._jit_compile,
            )
            # With the function, so that no other gets its identity.
            self._stages[id(concrete)] = (concrete, stages)
        return self._stages[id(concrete)][1]

    def _tensors(
        self, vectors: np.ndarray, curvature: Curvature
    ) -> list[list[tf.Tensor]]:
        # Cut here, once, and not in the graph, for every batch.
        shapes = self._layout.shapes_of(curvature.places)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        dtypes = self._layout.dtypes_of(curvature.places)
        precision = self._layout.dtype
        return [
            [
                _tensor(part.reshape(shape), precision, dtype)
                for part, shape, dtype in zip(
                    np.split(vector, ends), shapes, dtypes, strict=True
                )
            ]
            for vector in vectors
        ]

    def _vectors_at_once(
        self, wanted: int, batch: Batch, share: Callable, differentiate: Any
    ) -> int:
        if wanted == 1:
            return 1
        if self._block_size is not None:
            return min(wanted, self._block_size)
        if self._at_most is None:
            gradient = differentiate.get_concrete_function(
                *batch[:3], share(batch)
            )
            part = next(self._in_parts([batch])).size / batch.size
            mean = part * mean_bytes(gradient, batch.size)
            self._at_most = block_size_for(
                part * graph_bytes(gradient, batch.size)
            )
            if mean > _LARGE and not self._jit_compile:
                self._at_most = min(self._at_most, _AT_ONCE_IF_LARGE)
        at_once = at_once_of(wanted, fused=self._jit_compile)
        return min(at_once, self._at_most)


def _tensor(array: np.ndarray, precision: str, dtype: str) -> tf.Tensor:
    # No copy but TensorFlow's: new memory takes longer than what it is for.
    tensor = tf.constant(array.astype(precision, copy=False))
    return tensor if dtype == precision else tf.cast(tensor, dtype)
