"""What curvature products at one point have in common, kept between them."""

from collections.abc import Callable, Sequence
from typing import Any

import psutil
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.two_stages import TwoStages

# With fewer weights times samples a product is over before the second function
# has been compiled, and its time is the host's.
_WORTHWHILE = 2e6


def is_worthwhile(size: int, num_samples: int) -> bool:
    """Whether keeping the first passes pays for what it costs to compile.

    Args:
        size: Int. P.
        num_samples: Int. N.

    Returns:
        Bool.
    """
    return size * num_samples >= _WORTHWHILE


def is_kept(
    wanted: bool | None, batch_size: int | None, size: int, num_samples: int
) -> bool:
    """Whether the first passes of an objective are kept between products.

    Args:
        wanted: Bool, what the caller asks for; None for what is best.
        batch_size: Int, or None for a data set of batches.
        size: Int. P.
        num_samples: Int. N.

    Returns:
        Bool.

    Raises:
        ValueError: If they are wanted of a data set of batches.
    """
    if wanted and batch_size is None:
        raise ValueError(
            "`keep_activations=True` needs arrays; a data set yields its "
            "batches anew at every pass. Leave it out, or pass arrays."
        )
    if wanted is None:
        # A data set of batches may be too large for the memory.
        return batch_size is not None and is_worthwhile(size, num_samples)
    return wanted


class KeptPasses:
    """The forward and first backward pass of every batch, at one point.

    Of the products at a point they are the part that does not depend on the
    vector: a fifth to a quarter of a single product, which is computed once
    for each batch. What does not fit in a quarter of the free memory is
    computed anew every time.

    Args:
        stages: Callable `(compiled, arguments, jit_compile)` that returns the
            `TwoStages` of a compiled function.
    """

    def __init__(self, stages: Callable[[Any, tuple, bool], TwoStages]):
        self._stages = stages
        self._stages_of: dict[tuple[int, int], TwoStages] = {}
        self._kept: dict[tuple[int, int], list[Any]] = {}
        self._room = psutil.virtual_memory().available // 4

    def products(
        self,
        compiled: Any,
        vectors: Sequence[Sequence[Any]],
        others: tuple,
        index: int,
        batch_size: int,
        stand: Callable[[], None],
        *,
        at_once: int,
        jit_compile: bool,
    ) -> list[list[Any]]:
        """`compiled(vector, *others)` of vectors, from what is kept.

        Args:
            compiled: `tf.function`.
            vectors: List of K lists of tensors.
            others: Tuple. The other arguments, nested tensors.
            index: Int. The place of the batch.
            batch_size: Int. Samples in it.
            stand: Callable. Called before the point is looked at.
            at_once: Int. Vectors that the second stage gets at once.
            jit_compile: Bool. Whether XLA compiles the second stage.

        Returns:
            List of K lists of tensors.
        """
        # Once for a batch: TensorFlow looks for the trace that goes with the
        # arguments as long as a small network needs for its work.
        place = (id(compiled), index)
        if place not in self._stages_of:
            self._stages_of[place] = self._stages(
                compiled, (vectors[0], *others), jit_compile
            )
        stages = self._stages_of[place]
        if place not in self._kept:
            stand()
            num_bytes = stages.num_bytes(batch_size)
            if num_bytes > self._room:
                return [compiled(vector, *others) for vector in vectors]
            # Ragged and sparse tensors are several.
            flat = tf.nest.flatten(others, expand_composites=True)
            tensors = [tensor for tensor in flat if tensor is not None]
            self._kept[place] = stages.first(tensors)
            self._room -= num_bytes
        kept = self._kept[place]
        if at_once == 1:
            return [stages.second(kept, vector) for vector in vectors]
        return [
            product
            for start in range(0, len(vectors), at_once)
            for product in stages.second_of_each(
                kept, vectors[start : start + at_once]
            )
        ]
