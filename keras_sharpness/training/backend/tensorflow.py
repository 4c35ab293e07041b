"""The compiled steps: many updates or evaluations in one call."""

import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_SEED_STATE = "seed_generator_state"
_STATEFUL_RANDOM_OPS = frozenset(
    {
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "TruncatedNormal",
    }
)


class Data(NamedTuple):
    """Samples, as arrays or as tensors on the device."""

    x: Any
    y: Any
    sample_weight: Any


class CompiledSteps:
    """A model's training and evaluation steps as compiled loops.

    The batches are gathered on the device, and a loop inside the graph runs
    as many steps as one call asks for: Python is entered once per call. A
    batch size that differs from the last one's is traced once more.

    Args:
        model: `keras.Model`, compiled and built, as its optimizer is.
        accuracy: Str or None. How predictions are counted as right.
        threshold: Float. The output above which a binary prediction is 1.
        ignored_class: Int. A label whose entries are not counted, or None.
        jit_compile: Bool. Whether XLA compiles the step.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        accuracy: str | None,
        threshold: float,
        jit_compile: bool,
        ignored_class: int | None = None,
    ):
        self._model = model
        self._accuracy = accuracy
        self._threshold = threshold
        self._ignored_class = ignored_class
        self._jit_compile = jit_compile
        self._call_options = _training_option(model.call)
        self._loss_options = _training_option(model.compute_loss)
        update, evaluate = self._update, self._evaluate
        if jit_compile:
            # XLA gets the step alone: gathering outside of it hands it one
            # batch where it would otherwise be handed the whole data set.
            update = tf.function(update, autograph=False, jit_compile=True)
            evaluate = tf.function(evaluate, autograph=False, jit_compile=True)
        self._steps = {True: update, False: evaluate}
        self._loops: dict[tuple[bool, int], Any] = {}

    def run(
        self,
        data: Data,
        order: Any,
        *,
        first: int,
        num_batches: int,
        batch_size: int,
        training: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Runs consecutive batches in one call.

        Args:
            data: `Data` on the device.
            order: Int tensor (N,). The order in which samples are visited.
            first: Int. Position in `order` of the first batch's first sample.
            num_batches: Int. Batches to run.
            batch_size: Int. Samples in each of them.
            training: Bool. Whether the batches update the model.

        Returns:
            The batches' losses, float64 (num_batches,), and their accuracies,
            float64 (num_batches,), zeros where y is no class.
        """
        try:
            losses, accuracies = self._loop(data, order, batch_size, training)(
                data,
                order,
                tf.constant(first, tf.int64),
                tf.constant(num_batches, tf.int64),
            )
        except tf.errors.InvalidArgumentError as error:
            if self._jit_compile:
                error.add_note(
                    "The step was compiled with XLA, which not every layer "
                    "supports. Pass `jit_compile=False`."
                )
            raise
        return losses.numpy(), accuracies.numpy()

    def check_randomness(
        self, data: Data, num_samples: int, batch_size: int
    ) -> None:
        """Refuses layers whose random numbers a seed cannot repeat.

        Args:
            data: `Data` on the device.
            num_samples: Int. Samples N.
            batch_size: Int. Samples in a batch.

        Raises:
            ValueError: If the training step draws from a global generator.
        """
        order = tf.zeros((num_samples,), tf.int64)
        graph = self._loop(data, order, batch_size, training=True).graph
        own = {id(variable.value) for variable in self._model.variables}
        foreign = [
            variable.name
            for variable in graph.variables
            if _SEED_STATE in variable.name and id(variable) not in own
        ]
        definition = graph.as_graph_def()
        nodes = list(definition.node)
        for function in definition.library.function:
            nodes.extend(function.node_def)
        foreign += [n.name for n in nodes if n.op in _STATEFUL_RANDOM_OPS]
        if foreign:
            raise ValueError(
                "The model draws random numbers from a global generator, which "
                "`seed` cannot repeat. Received: a training step that uses "
                f"{', '.join(sorted(set(foreign)))}. Give the layer a "
                "`keras.random.SeedGenerator` and pass it as `seed=` to "
                "functions of `keras.random`."
            )

    def _loop(
        self, data: Data, order: Any, batch_size: int, training: bool
    ) -> Any:
        """The compiled loop, traced when it is first asked for."""
        key = (training, batch_size)
        if key not in self._loops:
            number = tf.TensorSpec((), tf.int64)
            # Concrete, because TensorFlow warns of many tracings when one
            # process trains many small models.
            self._loops[key] = tf.function(
                _loop_over(self._steps[training], batch_size), autograph=False
            ).get_concrete_function(data, order, number, number)
        return self._loops[key]

    def _update(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        model, optimizer = self._model, self._model.optimizer
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            loss, outputs = self._forward(x, y, sample_weight, training=True)
            scaled_loss = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)
        return self._measures(loss, y, outputs)

    def _evaluate(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        loss, outputs = self._forward(x, y, sample_weight, training=False)
        return self._measures(loss, y, outputs)

    def _forward(
        self, x: Any, y: Any, sample_weight: Any, *, training: bool
    ) -> tuple[Any, Any]:
        option = {"training": training}
        outputs = self._model(x, **(option if self._call_options else {}))
        loss = self._model.compute_loss(
            x=x,
            y=y,
            y_pred=outputs,
            sample_weight=sample_weight,
            **(option if self._loss_options else {}),
        )
        return loss, outputs

    def _measures(self, loss: Any, y: Any, outputs: Any) -> tuple[Any, Any]:
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
        return (
            tf.cast(tf.reshape(loss, ()), tf.float64),
            tf.math.divide_no_nan(
                tf.reduce_sum(hits * counts), tf.reduce_sum(counts)
            ),
        )


def to_device(nest: Any) -> Any:
    """The arrays of a nest as tensors on the default device.

    Args:
        nest: Nest of arrays; None stays None.

    Returns:
        The same nest of tensors.
    """
    return keras.tree.map_structure(
        lambda a: None if a is None else tf.constant(a), nest
    )


def snapshot(variables: Iterable[keras.Variable]) -> tuple[Any, ...]:
    """The values of variables at this moment, on the device.

    A read shares the buffer until the variable is next written, which then
    copies it: nothing moves at the time of the snapshot.

    Args:
        variables: Iterable of `keras.Variable`.

    Returns:
        Tuple of tensors.
    """
    return tuple(tf.identity(variable.value) for variable in variables)


class FiniteCheck:
    """Whether all floating-point variables of a model are finite.

    Args:
        model: `keras.Model`.
    """

    def __init__(self, model: keras.Model):
        self._function = tf.function(
            lambda: tf.reduce_all(
                [
                    tf.reduce_all(tf.math.is_finite(variable.value))
                    for variable in model.variables
                    if keras.backend.is_float_dtype(variable.dtype)
                ]
            ),
            autograph=False,
        ).get_concrete_function()

    def __call__(self) -> bool:
        """Whether they are at this moment."""
        return bool(self._function())


def _loop_over(step: Any, batch_size: int) -> Any:
    def loop(
        data: Data, order: Any, first: Any, num_batches: Any
    ) -> tuple[Any, Any]:
        def body(number: Any, losses: Any, accuracies: Any) -> tuple:
            begin = first + number * batch_size
            indices = tf.slice(order, [begin], [batch_size])
            batch = keras.tree.map_structure(
                lambda t: None if t is None else tf.gather(t, indices), data
            )
            loss, accuracy = step(*batch)
            position = tf.cast(number, tf.int32)
            return (
                number + 1,
                losses.write(position, loss),
                accuracies.write(position, accuracy),
            )

        size = tf.cast(num_batches, tf.int32)
        _, losses, accuracies = tf.while_loop(
            lambda number, *_: number < num_batches,
            body,
            (
                tf.constant(0, tf.int64),
                tf.TensorArray(tf.float64, size, element_shape=()),
                tf.TensorArray(tf.float64, size, element_shape=()),
            ),
            parallel_iterations=1,
        )
        return losses.stack(), accuracies.stack()

    return loop


def _training_option(method: Any) -> bool:
    return "training" in inspect.signature(method).parameters
