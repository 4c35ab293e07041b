"""Calling a model at other weights without changing it."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_sharpness.metrics.backend import differentiable
from keras_sharpness.metrics.loss.batch_norm import batch_statistics
from keras_sharpness.metrics.loss.folding import Pair, folded


@contextlib.contextmanager
def model_at(
    model: keras.Model,
    weights: Sequence[Any],
    state: Sequence[Any],
    *,
    use_batch_statistics: bool = False,
    fold: Sequence[Pair] = (),
    compiled: "CompiledLoss | None" = None,
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
        compiled: `CompiledLoss`, which the compiled loss is in the block.

    Yields:
        The `keras.StatelessScope`, which holds the updates.
    """
    mapping = [
        *zip(model.trainable_variables, weights, strict=True),
        *zip(model.non_trainable_variables, state, strict=True),
    ]
    with contextlib.ExitStack() as stack:
        # Within it no other thread sees what the compiled loss is meanwhile.
        stack.enter_context(differentiable(model))
        stack.enter_context(_unchanged_compile_state(model, compiled))
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


class CompiledLoss:
    """The compiled loss of a model as it is now: names resolved, metrics made.

    It builds itself when it first sees targets, which is the caller's to
    trigger; and where it has several outputs it makes variables, which a
    compiled function cannot. Built once and eagerly, it takes the place of the
    caller's whenever the model is evaluated, whatever the model is compiled
    with by then.

    Args:
        model: Compiled `keras.Model`.
    """

    def __init__(self, model: keras.Model):
        loss = model._compile_loss
        # Beside the caller's, which goes back to what it was.
        self._loss = object.__new__(type(loss))
        vars(self._loss).update(vars(loss), _metrics=list(loss.metrics))

    @contextlib.contextmanager
    def in_place(self, model: keras.Model) -> Iterator[None]:
        """Within the block it is the compiled loss of `model`."""
        own = model._compile_loss
        try:
            # Past Keras' own `__setattr__`, which tracks what is assigned.
            object.__setattr__(model, "_compile_loss", self._loss)
            yield
        finally:
            object.__setattr__(model, "_compile_loss", own)


@contextlib.contextmanager
def _unchanged_compile_state(
    model: keras.Model, compiled: CompiledLoss | None
) -> Iterator[None]:
    if compiled is not None:
        with compiled.in_place(model):
            yield
        return
    loss = getattr(model, "_compile_loss", None)
    if loss is None:
        yield
        return
    # It may build itself.
    attributes, metrics = dict(vars(loss)), list(loss.metrics)
    try:
        yield
    finally:
        vars(loss).clear()
        vars(loss).update(attributes)
        loss.metrics[:] = metrics
