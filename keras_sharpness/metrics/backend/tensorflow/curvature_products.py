"""Curvature matrices times vectors, batch by batch."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.batch_parts import BatchParts
from keras_sharpness.metrics.backend.tensorflow.block_size import (
    MAX_BLOCK,
    at_once_of,
    block_size_for,
)
from keras_sharpness.metrics.backend.tensorflow.derivatives import Derivatives
from keras_sharpness.metrics.backend.tensorflow.differentiability import (
    naming_layers,
)
from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
)
from keras_sharpness.metrics.backend.tensorflow.flat_arrays import add, fill
from keras_sharpness.metrics.backend.tensorflow.fusion import gains_from_fusion
from keras_sharpness.metrics.backend.tensorflow.kept_passes import KeptPasses
from keras_sharpness.metrics.backend.tensorflow.max_pooling import (
    quick_max_pooling,
)
from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import (
    graph_bytes,
    mean_bytes,
)
from keras_sharpness.metrics.backend.tensorflow.two_stages import TwoStages
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.loss.batch_loss import BatchLoss
from keras_sharpness.metrics.weights import WeightLayout

# Operations of the gradient that put out more bytes, on average, have work for
# all cores but between them: two vectors side by side gained a small ResNet 5
# to 9 %, whatever its batch, and C1 nothing; four gained it another 1 %.
_LARGE = 5e5
_AT_ONCE_IF_LARGE = 2
# Bytes that an operation of the product puts out over all data, from which on
# its second stage, its parts and XLA pay. To import, optimise and compile one
# takes about a millisecond, to write so many bytes 0.2: a quarter of that saved
# is repaid within twenty products. Above lie F1, C1, and the residual network
# and the transformer of benchmarks/peers on 100 samples (8.5e5 and 1e6); below,
# networks of `keras.applications` on 8 images (3e5 to 4e5).
_COSTLY = 7e5
# Bytes of all tensors of a product on a batch with which it may be worth
# cutting: some four times those of the gradient of two parts.
_LARGE_BATCH = 2**30


class _Plan(NamedTuple):
    """How products with one curvature matrix are computed.

    Attributes:
        is_costly: Bool. Whether to keep what they have in common pays.
        jit_compile: Bool. Whether XLA compiles them.
        in_parts: Bool. Whether parts of batches may pay.
    """

    is_costly: bool = False
    jit_compile: bool = False
    in_parts: bool = False


class CurvatureProducts:
    """Multiplies blocks of vectors by curvature matrices of an objective.

    Args:
        model: Built `keras.Model`.
        batch_loss: `BatchLoss`.
        layout: `WeightLayout`.
        point: `EvaluationPoint`, where compiled functions stand.
        block_size: Int. Vectors multiplied at once, None for as many as gain
            time and the free memory has room for.
        num_samples: Int. N.
        keep_activations: Bool, what the caller asks for; None for what pays.
        is_large: Bool. Whether a product may be costly; where its graph says
            so too, XLA compiles what it makes faster and batches are cut.
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
        num_samples: int,
        keep_activations: bool | None,
        is_large: bool,
        parts: BatchParts | None,
    ):
        self._model = model
        self._batch_loss = batch_loss
        self._layout = layout
        self._point = point
        self._block_size = block_size
        self._num_samples = num_samples
        self._keep_activations = keep_activations
        self._is_large = is_large
        self._parts = parts
        self._is_cut = False
        self._plans: dict[Curvature, _Plan] = {}
        # By whether XLA compiles the product.
        self._at_most: dict[bool, int] = {}
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

            if curvature not in self._plans:
                self._plans[curvature] = self._plan(curvature, batch, share)
            plan = self._plans[curvature]
            if plan.in_parts:
                self._decide_parts(batch, share, differentiate, plan)
            if not (plan.is_costly or self._keep_activations):
                kept = None
            at_once = self._vectors_at_once(
                len(vectors), batch, share, differentiate, plan
            )
            in_stages = kept is not None or len(vectors) > 1
            compiled = self._compiled(
                curvature,
                in_stages,
                jit_compile=plan.jit_compile,
                # A function that has seen whole batches would leave the number
                # of samples open for parts.
                in_parts=next(self._in_parts([batch])).size < batch.size,
            )
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
                            jit_compile=plan.jit_compile,
                        )
                    write = add if index else fill
                    for row, product in zip(
                        total[block], products, strict=True
                    ):
                        write(row, product)

    def _plan(
        self, curvature: Curvature, batch: Batch, share: Callable
    ) -> _Plan:
        """By the graph of a product as it is computed where it is cheap.

        So nothing is traced that is not needed there, and an objective computes
        it the same way every time.
        """
        if not self._is_large:
            return _Plan()
        places = curvature.places
        vector = [
            tf.TensorSpec(shape, dtype)
            for shape, dtype in zip(
                self._layout.shapes_of(places),
                self._layout.dtypes_of(places),
                strict=True,
            )
        ]
        product = self._compiled(curvature, False).get_concrete_function(
            vector, *batch[:3], share(batch), tf.constant(0)
        )
        # What is as large as a variable does not grow with the data, and
        # nothing of it is kept.
        options = {"without": self._layout.shapes_of(None)}
        work = mean_bytes(product, batch.size, **options)
        # Products of matrices cost by weights times samples: about a byte each.
        count = len(product.graph.get_operations())
        work = work / batch.size + self._layout.size / count
        if work * self._num_samples < _COSTLY:
            return _Plan()
        num_bytes = graph_bytes(product, batch.size, **options)
        return _Plan(
            is_costly=True,
            jit_compile=gains_from_fusion(product),
            in_parts=self._parts is not None and num_bytes >= _LARGE_BATCH,
        )

    def _decide_parts(
        self,
        batch: Batch,
        share: Callable,
        differentiate: Any,
        plan: _Plan,
    ) -> None:
        if not self._is_cut:
            gradient = differentiate.get_concrete_function(
                *batch[:3], share(batch)
            )
            self._parts.decide(batch, gradient, jit_compile=plan.jit_compile)
            self._is_cut = True

    def _in_parts(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if self._parts is None:
                yield batch
            else:
                yield from self._parts.of(batch)

    def _compiled(
        self,
        curvature: Curvature,
        in_stages: bool,
        *,
        jit_compile: bool = False,
        in_parts: bool = False,
    ) -> Callable:
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
            (curvature, in_stages, jit_compile, in_parts),
            vector_first,
            jit_compile=jit_compile,
        )

    def _two_stages(
        self, compiled: Any, arguments: tuple, jit_compile: bool
    ) -> TwoStages:
        concrete = compiled.get_concrete_function(*arguments)
        if id(concrete) not in self._stages:
            stages = TwoStages(
                concrete,
                len(tf.nest.flatten(arguments[0])),
                jit_compile=jit_compile,
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
        self,
        wanted: int,
        batch: Batch,
        share: Callable,
        differentiate: Any,
        plan: _Plan,
    ) -> int:
        if wanted == 1:
            return 1
        if self._block_size is not None:
            return min(wanted, self._block_size)
        fused = plan.jit_compile
        if fused not in self._at_most:
            gradient = differentiate.get_concrete_function(
                *batch[:3], share(batch)
            )
            part = next(self._in_parts([batch])).size / batch.size
            mean = part * mean_bytes(gradient, batch.size)
            at_most = block_size_for(part * graph_bytes(gradient, batch.size))
            if mean > _LARGE and not fused:
                at_most = min(at_most, _AT_ONCE_IF_LARGE)
            self._at_most[fused] = at_most
        return min(at_once_of(wanted, fused=fused), self._at_most[fused])


def _tensor(array: np.ndarray, precision: str, dtype: str) -> tf.Tensor:
    # No copy but TensorFlow's: new memory takes longer than what it is for.
    tensor = tf.constant(array.astype(precision, copy=False))
    return tensor if dtype == precision else tf.cast(tensor, dtype)
