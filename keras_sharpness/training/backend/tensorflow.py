"""The compiled steps: many updates or evaluations in one call."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.training.backend.tensorflow_step import (
    Data,
    Measures,
    Step,
)

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


class CompiledSteps:
    """A model's training and evaluation steps as compiled loops.

    The batches are gathered on the device, and a loop inside the graph runs
    as many steps as one call asks for: Python is entered once per call. A
    batch size that differs from the last one's is traced once more.

    Args:
        model: `keras.Model`, compiled and built, as its optimizer is.
        update: Function `(step, batch)` from a `Step` and `Data` to
            `Measures`, which makes the update.
        jit_compile: Bool. Whether XLA compiles the step.
        added: Str. What to call `Measures.added` of an update, or None where
            it measures nothing.
        draws: Bool. Whether the update draws from `Step.generator`.
        augment: Function from the inputs of a batch to those that it is
            trained on, or None.
        augment_variables: Sequence of `keras.Variable` that it changes.
        **options: The arguments of `Step`.

    Attributes:
        added: As given.
        variables: List of `keras.Variable` that training changes beside those
            of the model and the optimizer.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        update: Callable[[Step, Data], Measures],
        jit_compile: bool,
        added: str | None = None,
        draws: bool = False,
        augment: Callable[[Any], Any] | None = None,
        augment_variables: Sequence[keras.Variable] = (),
        **options: Any,
    ):
        self.added = added
        self._augment = augment
        self._model = model
        self._jit_compile = jit_compile
        step = Step(model, **options)
        self.variables = list(augment_variables)
        if draws:
            step.generator = keras.random.SeedGenerator(0)
            self.variables.append(step.generator.state)
        step.remember_optimizer()

        def update_by(x: Any, y: Any, sample_weight: Any) -> Measures:
            return update(step, Data(x, y, sample_weight))

        def evaluate(x: Any, y: Any, sample_weight: Any) -> Measures:
            return step.evaluate(Data(x, y, sample_weight))

        if jit_compile:
            # XLA gets the step alone: gathering outside of it hands it one
            # batch where it would otherwise be handed the whole data set.
            update_by = tf.function(
                update_by, autograph=False, jit_compile=True
            )
            evaluate = tf.function(evaluate, autograph=False, jit_compile=True)
        self._steps = {True: update_by, False: evaluate}
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
    ) -> Measures:
        """Runs consecutive batches in one call.

        Args:
            data: `Data` on the device.
            order: Int tensor (N,). The order in which samples are visited.
            first: Int. Position in `order` of the first batch's first sample.
            num_batches: Int. Batches to run.
            batch_size: Int. Samples in each of them.
            training: Bool. Whether the batches update the model.

        Returns:
            `Measures` of the batches, float64 arrays (num_batches,).
        """
        try:
            measures = self._loop(data, order, batch_size, training)(
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
        return Measures(*(values.numpy() for values in measures))

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
        variables = [*self._model.variables, *self.variables]
        own = {id(variable.value) for variable in variables}
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
                "The model, its loss or its augmentation draws random numbers "
                "from a global generator, which `seed` cannot repeat. "
                "Received: a training step that uses "
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
                _loop_over(
                    self._steps[training],
                    batch_size,
                    self._augment if training else None,
                ),
                autograph=False,
            ).get_concrete_function(data, order, number, number)
        return self._loops[key]


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


def _loop_over(step: Any, batch_size: int, augment: Any) -> Any:
    def loop(data: Data, order: Any, first: Any, num_batches: Any) -> Measures:
        def body(number: Any, rows: Measures) -> tuple[Any, Measures]:
            begin = first + number * batch_size
            indices = tf.slice(order, [begin], [batch_size])
            batch = keras.tree.map_structure(
                lambda t: None if t is None else tf.gather(t, indices), data
            )
            if augment is not None:
                batch = batch._replace(x=augment(batch.x))
            measures = step(*batch)
            position = tf.cast(number, tf.int32)
            return number + 1, Measures(
                *(
                    row.write(position, value)
                    for row, value in zip(rows, measures, strict=True)
                )
            )

        size = tf.cast(num_batches, tf.int32)
        _, rows = tf.while_loop(
            lambda number, _: number < num_batches,
            body,
            (
                tf.constant(0, tf.int64),
                Measures(
                    *(
                        tf.TensorArray(tf.float64, size, element_shape=())
                        for _ in Measures._fields
                    )
                ),
            ),
            parallel_iterations=1,
        )
        return Measures(*(row.stack() for row in rows))

    return loop
