"""Curvature matrices times vectors, batch by batch."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.backend import (
    EvaluationPoint,
    KeptProduct,
    LinearMap,
    free_memory,
    naming_layers,
)
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.flat_arrays import add, fill
from keras_sharpness.metrics.loss.batch_loss import BatchLoss
from keras_sharpness.metrics.weights import WeightLayout

# With fewer weights times samples a product is over before a second function
# has been compiled, and its time is the host's.
_WORTHWHILE = 2e6


def is_worthwhile(size: int, num_samples: int) -> bool:
    """Whether what is compiled for large products pays.

    Args:
        size: Int. P.
        num_samples: Int. N.

    Returns:
        Bool.
    """
    return size * num_samples >= _WORTHWHILE


class KeptMaps:
    """What products at one point have in common, of every batch.

    The forward and the first backward pass: the part of a product that does
    not depend on the vector, a fifth to a quarter of it. What does not fit in
    a quarter of the free memory is computed anew every time.
    """

    def __init__(self) -> None:
        self._maps: dict[Any, LinearMap | None] = {}
        self._room = free_memory() / 4

    def of(
        self, place: Any, make: Callable[[float], LinearMap | None]
    ) -> LinearMap | None:
        """The map of a batch, or None where it takes too much memory.

        Args:
            place: Hashable. The product and the number of the batch.
            make: Callable of the bytes that are left.

        Returns:
            `LinearMap` or None.
        """
        if place not in self._maps:
            self._maps[place] = made = make(self._room)
            self._room -= 0 if made is None else made.num_bytes
        return self._maps[place]


class CurvatureProducts:
    """Multiplies blocks of vectors by curvature matrices of an objective.

    Args:
        model: Built `keras.Model`.
        batch_loss: `BatchLoss`.
        layout: `WeightLayout`.
        point: `EvaluationPoint`, where compiled functions stand.
        num_samples: Int. N.
        block_size: Int. Vectors that share what is computed of a batch, where
            it is not kept.
        keep_activations: Bool, what the caller asks for; None for what pays.
        in_memory: Bool. Whether the batches are arrays; those of a data set
            come anew at every pass.

    Raises:
        ValueError: If activations of a data set are to be kept.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        batch_loss: BatchLoss,
        layout: WeightLayout,
        point: EvaluationPoint,
        num_samples: int,
        block_size: int,
        keep_activations: bool | None,
        in_memory: bool,
    ):
        if keep_activations and not in_memory:
            raise ValueError(
                "`keep_activations=True` needs arrays; a data set yields its "
                "batches anew at every pass. Leave it out, or pass arrays."
            )
        self._model = model
        self._batch_loss = batch_loss
        self._layout = layout
        self._point = point
        self._num_samples = num_samples
        self._block_size = block_size
        self._keep_activations = keep_activations
        self._is_large = is_worthwhile(layout.size, num_samples)
        # A data set of batches may be too large for the memory.
        self._keeps = (
            in_memory and self._is_large
            if keep_activations is None
            else keep_activations
        )
        self._products: dict[Curvature, KeptProduct] = {}

    def kept_maps(self) -> KeptMaps | None:
        """Where products at one point keep what they have in common.

        Returns:
            `KeptMaps`, or None where nothing is to be kept.
        """
        return KeptMaps() if self._keeps else None

    def multiply(
        self,
        total: np.ndarray,
        vectors: np.ndarray,
        curvature: Curvature,
        *,
        batches: Iterable[Batch],
        share: Callable[[Batch], Any],
        at: Callable[[], contextlib.AbstractContextManager],
        kept: KeptMaps | None,
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
            kept: `KeptMaps` of this point, or None.
        """
        product = self._product(curvature)
        with contextlib.ExitStack() as stack:

            @functools.cache
            def stand() -> None:
                stack.enter_context(at())

            is_costly = self._is_costly(curvature, batches, share)
            if not (is_costly or self._keep_activations):
                kept = None
            # What is kept serves all vectors. What is not is computed anew for
            # every block, and data sets are read anew.
            step = len(vectors) if kept is not None else self._block_size
            for start in range(0, len(vectors), step):
                block = slice(start, start + step)
                trees = [
                    self._tree(vector, curvature) for vector in vectors[block]
                ]
                for index, batch in enumerate(batches):
                    others = self._others(batch, share, index)

                    def make(room, *, others=others, trees=trees, batch=batch):
                        stand()
                        return product.keep(
                            trees[0], others, batch_size=batch.size, room=room
                        )

                    found = None
                    if kept is not None:
                        found = kept.of((curvature, index), make)
                    elif len(trees) > 1:
                        found = make(float("inf"))
                    if found is not None:
                        products = found.block(trees)
                    else:
                        stand()
                        products = [product.once(t, others) for t in trees]
                    write = add if index else fill
                    for row, parts in zip(total[block], products, strict=True):
                        write(row, parts)

    def _product(self, curvature: Curvature) -> KeptProduct:
        if curvature not in self._products:
            multiply = naming_layers(
                self._model, curvature.product(self._batch_loss), twice=True
            )

            def vector_first(weights, state, vector, *others):
                return multiply(weights, state, *others, vector)

            self._products[curvature] = KeptProduct(
                self._point, curvature, vector_first
            )
        return self._products[curvature]

    def _is_costly(
        self, curvature: Curvature, batches: Iterable[Batch], share: Callable
    ) -> bool:
        product = self._product(curvature)
        if self._is_large and product.is_costly is None:
            batch = next(iter(batches))
            size = self._layout.size_of(curvature.places)
            product.plan(
                self._tree(np.zeros(size), curvature),
                self._others(batch, share, 0),
                batch_size=batch.size,
                num_samples=self._num_samples,
                without=self._layout.shapes_of(None),
            )
        return bool(product.is_costly)

    def _others(self, batch: Batch, share: Callable, index: int) -> tuple:
        number = keras.ops.convert_to_tensor(index, "int32")
        return (*batch[:3], number, share(batch))

    def _tree(self, vector: np.ndarray, curvature: Curvature) -> list[Any]:
        # Cut here, once, and not in the graph, for every batch.
        shapes = self._layout.shapes_of(curvature.places)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        return [
            _tensor(part.reshape(shape), self._layout.dtype, dtype)
            for part, shape, dtype in zip(
                np.split(vector, ends),
                shapes,
                self._layout.dtypes_of(curvature.places),
                strict=True,
            )
        ]


def _tensor(array: np.ndarray, precision: str, dtype: str) -> Any:
    # No copy but the framework's: new memory takes longer than what it is for.
    tensor = keras.ops.convert_to_tensor(array.astype(precision, copy=False))
    return tensor if dtype == precision else keras.ops.cast(tensor, dtype)
