"""Calling a model at other weights without changing it."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_sharpness.metrics.batch_norm import batch_statistics
from keras_sharpness.metrics.exact_moments import exact_moments
from keras_sharpness.metrics.folding import Pair, folded

# Tracing touches attributes of the model for a moment (and puts them back);
# two threads must not do so at once.
_tracing = threading.RLock()


@contextlib.contextmanager
def model_at(
    model: keras.Model,
    weights: Sequence[Any],
    state: Sequence[Any],
    *,
    use_batch_statistics: bool = False,
    fold: Sequence[Pair] = (),
) -> Iterator[keras.StatelessScope]:
    """Within the block the model has other weights; afterwards its own.

    The variables are never assigned to: reads inside the block are answered
    with the given tensors and updates land in the scope that is yielded, so
    neither an exception nor another thread can leave or see a changed model.

    Args:
        model: Built `keras.Model`.
        weights: Tensors for `model.trainable_variables`.
        state: Tensors for `model.non_trainable_variables`.
        use_batch_statistics: Bool. Whether BatchNormalization normalises by
            the statistics of the batch.
        fold: Pairs of layers to evaluate as one, from `foldable_pairs`.

    Yields:
        The `keras.StatelessScope`, which holds the updates.
    """
    mapping = [
        *zip(model.trainable_variables, weights, strict=True),
        *zip(model.non_trainable_variables, state, strict=True),
    ]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_tracing)
        stack.enter_context(_unchanged_compile_state(model))
        stack.enter_context(exact_moments())
        if use_batch_statistics:
            stack.enter_context(batch_statistics(model))
        elif fold:
            values = {id(variable): value for variable, value in mapping}
            # Later entries of a mapping win.
            mapping += stack.enter_context(
                folded(fold, lambda variable: values[id(variable)])
            )
        yield stack.enter_context(
            keras.StatelessScope(state_mapping=mapping, collect_losses=True)
        )


@contextlib.contextmanager
def _unchanged_compile_state(model: keras.Model) -> Iterator[None]:
    # The compiled loss builds itself at its first call: it resolves names and
    # makes metrics for several outputs. That is the caller's to trigger.
    compiled_loss = getattr(model, "_compile_loss", None)
    if compiled_loss is None:
        yield
        return
    attributes = vars(compiled_loss)
    before = dict(attributes)
    metrics = list(compiled_loss.metrics)
    try:
        yield
    finally:
        attributes.clear()
        attributes.update(before)
        compiled_loss.metrics[:] = metrics
