"""One training step, taken apart: what a method puts together anew."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

_SEED_STATE = "seed_generator_state"


class Data(NamedTuple):
    """Samples, as arrays or as tensors on the device."""

    x: Any
    y: Any
    sample_weight: Any


class Measures(NamedTuple):
    """What is known of a batch, float64 scalars.

    Attributes:
        loss: Of the batch, regularisation included.
        accuracy: Share of right predictions, 0 where y is no class.
        added: What a method measures besides, 0 where it does not.
    """

    loss: Any
    accuracy: Any
    added: Any


class Step:
    """The parts of a step on one batch, inside of a compiled function.

    Args:
        model: `keras.Model`, compiled and built, as its optimizer is.
        accuracy: Str or None. How predictions are counted as right.
        threshold: Float. The output above which a binary prediction is 1.
        ignored_class: Int. A label whose entries are not counted, or None.
        micro_batch_size: Int. Samples of which a gradient is taken at once;
            None for all of the batch.
        loss: What is known of the loss, for methods.

    Attributes:
        loss: As given.
        generator: `keras.random.SeedGenerator` of the random numbers that a
            method draws.
        variables: List of `keras.Variable`, those that are trained.
        seeds: List of `keras.Variable`, the states of the random generators.
        statistics: List of `keras.Variable` that are neither: what batch
            normalisation keeps.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        accuracy: str | None,
        threshold: float,
        ignored_class: int | None = None,
        micro_batch_size: int | None = None,
        loss: Any = None,
    ):
        self.loss = loss
        self.generator: keras.random.SeedGenerator | None = None
        self._model = model
        self._accuracy = accuracy
        self._threshold = threshold
        self._ignored_class = ignored_class
        self._micro_batch_size = micro_batch_size
        self._call_options = _training_option(model.call)
        self._loss_options = _training_option(model.compute_loss)
        self.variables = model.trainable_variables
        others = model.non_trainable_variables
        self.seeds = [v for v in others if v.path.endswith(_SEED_STATE)]
        self.statistics = [
            v for v in others if not v.path.endswith(_SEED_STATE)
        ]

    def gradients(
        self,
        batch: Data,
        *,
        penalty: Callable[[Data, Any], Any] | None = None,
        dense: bool = True,
    ) -> tuple[Measures, list[Any]]:
        """The loss in training mode, and its gradient.

        Args:
            batch: `Data`.
            penalty: Function `(part, outputs)`, of a part of the batch and
                the model's outputs for it, whose value is added to the loss
                that is differentiated, not to the one returned.
            dense: Bool. Whether a gradient that is zero in most rows of a
                variable is a tensor all the same.

        Returns:
            `Measures`, with the penalty as `added`, and the gradients of
            `variables` times the loss scale; None for a variable that the
            loss does not depend on.
        """

        def of_part(part: Data) -> tuple[Measures, list[Any]]:
            optimizer = self._model.optimizer
            added = tf.zeros((), tf.float64)
            with tf.GradientTape() as tape:
                loss, outputs = self.loss_of(part, training=True)
                total = loss
                if penalty is not None:
                    extra = penalty(part, outputs)
                    total = loss + tf.cast(extra, loss.dtype)
                    added = tf.cast(extra, tf.float64)
                total = optimizer.scale_loss(total)
            gradients = tape.gradient(total, [v.value for v in self.variables])
            if dense:
                gradients = [_dense(g) for g in gradients]
            return self._measures(loss, part.y, outputs, added), gradients

        return self.accumulate(of_part, batch)

    def accumulate(
        self,
        function: Callable[[Data], tuple[Measures, list[Any]]],
        batch: Data,
        size: int | None = None,
    ) -> tuple[Measures, list[Any]]:
        """The mean of a function over parts of a batch.

        Every part counts by its share of the batch's samples, the last one,
        which may be shorter, as well.

        Args:
            function: From `Data` to `Measures` and gradients.
            batch: `Data`.
            size: Int. Samples in a part; None for `micro_batch_size`.

        Returns:
            `Measures` and gradients; those of `function` itself where the
            batch is no larger than a part.
        """
        zeros = [tf.zeros_like(v.value) for v in self.variables]
        return self._mean_over_parts(function, batch, size, zeros)

    def _mean_over_parts(
        self, function: Callable, batch: Data, size: int | None, zeros: list
    ) -> tuple[Measures, list[Any]]:
        size = size or self._micro_batch_size
        total = self.size_of(batch)
        if size is None or size >= total:
            return function(batch)
        unknown: list[bool] = []

        def added(sums: Any, first: Any, length: int) -> Any:
            part = keras.tree.map_structure(
                lambda t: None if t is None else _rows(t, first, length), batch
            )
            measures, gradients = function(part)
            unknown[:] = [g is None for g in gradients]
            share = length / total
            return (
                [s + share * m for s, m in zip(sums[0], measures, strict=True)],
                [
                    s if g is None else s + share * _dense(g)
                    for s, g in zip(sums[1], gradients, strict=True)
                ],
            )

        num_full, num_left = divmod(total, size)
        start = ([tf.zeros((), tf.float64) for _ in Measures._fields], zeros)
        _, sums = tf.while_loop(
            lambda number, _: number < num_full,
            lambda number, sums: (
                number + 1,
                added(sums, number * size, size),
            ),
            (tf.constant(0), start),
            parallel_iterations=1,
        )
        if num_left:
            sums = added(sums, num_full * size, num_left)
        return Measures(*sums[0]), [
            None if is_unknown else gradient
            for is_unknown, gradient in zip(unknown, sums[1], strict=True)
        ]

    def size_of(self, batch: Data) -> int:
        """The number of samples in a batch.

        Args:
            batch: `Data`.

        Returns:
            Int.
        """
        return keras.tree.flatten(batch.x)[0].shape[0]

    def loss_of(self, batch: Data, *, training: bool) -> tuple[Any, Any]:
        """The loss of a batch as the model computes it.

        Args:
            batch: `Data`.
            training: Bool. Whether in training mode.

        Returns:
            Scalar tensor, and the model's outputs.
        """
        outputs = self._call(batch.x, training=training)
        loss = self._model.compute_loss(
            x=batch.x,
            y=batch.y,
            y_pred=outputs,
            sample_weight=batch.sample_weight,
            **({"training": training} if self._loss_options else {}),
        )
        return loss, outputs

    def input_gradient(self, batch: Data) -> Any:
        """The gradient of the loss by the inputs, dropout off.

        Args:
            batch: `Data` with floating-point x.

        Returns:
            Nest of tensors like x, times the loss scale.
        """
        with tf.GradientTape() as tape:
            tape.watch(batch.x)
            loss, _ = self.loss_of(batch, training=False)
            loss = self._model.optimizer.scale_loss(loss)
        return tape.gradient(
            loss, batch.x, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    def forward(self, x: Any) -> Any:
        """The model's outputs in training mode.

        Args:
            x: Nest of tensors (n, ...).

        Returns:
            Nest of tensors (n, ...).
        """
        return self._call(x, training=True)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Makes an update of the optimizer.

        Args:
            gradients: Tensors, as `gradients` returns them.
        """
        self._model.optimizer.apply(gradients, self.variables)

    def remember_optimizer(self) -> None:
        """Notes how the optimizer begins, which has made no update yet."""
        optimizer = self._model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        # All that an optimizer gathers begins as one number in all entries.
        self._optimizer_start = [
            (variable, tf.reshape(variable.value, [-1])[0].numpy())
            for variable in optimizer.variables
            if variable is not optimizer.learning_rate
        ]

    def restart_optimizer(self) -> None:
        """Makes the optimizer as it was noted, but for its rate."""
        for variable, value in self._optimizer_start:
            variable.assign(tf.fill(variable.shape, value))

    def scaled(self, value: Any) -> Any:
        """A number times the loss scale, as gradients are.

        Args:
            value: Float.

        Returns:
            Scalar tensor.
        """
        return self._model.optimizer.scale_loss(
            tf.convert_to_tensor(value, keras.config.floatx())
        )

    def evaluate(self, batch: Data) -> Measures:
        """What `keras.Model.evaluate` would measure.

        Args:
            batch: `Data`.

        Returns:
            `Measures`.
        """

        def of_part(part: Data) -> tuple[Measures, list[Any]]:
            loss, outputs = self.loss_of(part, training=False)
            added = tf.zeros((), tf.float64)
            return self._measures(loss, part.y, outputs, added), []

        return self._mean_over_parts(of_part, batch, None, [])[0]

    def _call(self, x: Any, *, training: bool) -> Any:
        option = {"training": training} if self._call_options else {}
        return self._model(x, **option)

    def _measures(
        self, loss: Any, y: Any, outputs: Any, added: Any
    ) -> Measures:
        if self._accuracy == "sparse":
            hits = keras.metrics.sparse_categorical_accuracy(y, outputs)
        elif self._accuracy == "categorical":
            hits = keras.metrics.categorical_accuracy(y, outputs)
        elif self._accuracy == "binary":
            hits = keras.metrics.binary_accuracy(
                y, outputs, threshold=self._threshold
            )
        else:
            hits = tf.zeros((1,))
        hits = tf.cast(hits, tf.float64)
        # As the loss, the accuracy leaves out what is masked.
        counts = tf.ones_like(hits)
        mask = getattr(outputs, "_keras_mask", None)
        if self._accuracy and mask is not None:
            counts *= tf.reshape(tf.cast(mask, tf.float64), tf.shape(hits))
        if self._ignored_class is not None:
            valid = tf.reshape(y != self._ignored_class, tf.shape(hits))
            counts *= tf.cast(valid, tf.float64)
        return Measures(
            tf.cast(tf.reshape(loss, ()), tf.float64),
            tf.math.divide_no_nan(
                tf.reduce_sum(hits * counts), tf.reduce_sum(counts)
            ),
            tf.reshape(added, ()),
        )


def _dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient)


def _rows(tensor: Any, first: Any, length: int) -> Any:
    others = tensor.shape[1:]
    return tf.slice(
        tensor, [first, *[0] * len(others)], [length, *others.as_list()]
    )


def _training_option(method: Any) -> bool:
    return "training" in inspect.signature(method).parameters
