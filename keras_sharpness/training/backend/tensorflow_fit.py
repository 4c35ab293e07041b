"""A sharpness-aware training step for `model.fit`."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.training.backend.tensorflow_step import (
    Data,
    Step,
)


def sharpness_aware_step(
    model: keras.Model, ascent: Callable[[Sequence, Sequence], list[Any]]
) -> Callable[[Any], dict[str, Any]]:
    """What `fit` calls as `train_step`.

    No variable is assigned to but by the optimizer: the second pass runs at
    other weights within a stateless scope. So it does under a distribution
    strategy as well, where the perturbation is that of the whole batch.

    Args:
        model: `keras.Model`.
        ascent: Function `(weights, gradients)` to perturbations of them.

    Returns:
        Function from a batch to the metrics.
    """

    def train_step(data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        batch = Data(x, y, sample_weight)
        # Layers may have been frozen since the last compilation.
        step = Step(model, accuracy=None, threshold=0.5)
        seeds = [(state, tf.identity(state.value)) for state in step.seeds]
        with tf.GradientTape() as tape:
            loss, outputs = step.loss_of(batch, training=True)
            scaled = model.optimizer.scale_loss(loss)
        weights = [tf.convert_to_tensor(v.value) for v in step.variables]
        gradients = _summed(
            tape.gradient(scaled, [v.value for v in step.variables])
        )
        moved = [
            w + e
            for w, e in zip(weights, ascent(weights, gradients), strict=True)
        ]
        at_moved = keras.StatelessScope(
            state_mapping=[*zip(step.variables, moved, strict=True), *seeds],
            collect_losses=True,
        )
        with tf.GradientTape() as tape, at_moved:
            tape.watch(moved)
            above, _ = step.loss_of(batch, training=True)
            scaled = model.optimizer.scale_loss(above)
        step.apply(tape.gradient(scaled, moved))
        for metric in model.metrics:
            if metric.name == "loss":
                replicas = model.distribute_strategy.num_replicas_in_sync
                metric.update_state(
                    loss * tf.cast(replicas, loss.dtype),
                    sample_weight=tf.shape(keras.tree.flatten(x)[0])[0],
                )
        return model.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    return train_step


def _summed(gradients: Sequence[Any]) -> list[Any]:
    """Dense gradients, those of all replicas added up."""
    dense = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return dense
    known = iter(
        context.all_reduce(
            tf.distribute.ReduceOp.SUM, [g for g in dense if g is not None]
        )
    )
    return [None if g is None else next(known) for g in dense]
