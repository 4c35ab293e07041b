"""The loss of one batch at given weights, as it is traced and compiled."""

import collections
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.metrics.batches import Batch, Batches, as_yielded
from keras_sharpness.metrics.loss.batch_norm import BatchNormMode
from keras_sharpness.metrics.loss.data_checks import check_batch, count_missing
from keras_sharpness.metrics.loss.folding import (
    foldable_pairs,
    gaining_pairs,
)
from keras_sharpness.metrics.loss.forward import Forward, coordinates
from keras_sharpness.metrics.loss.losses import (
    ADDED,
    LossSpecification,
    accuracy,
    check_added,
)
from keras_sharpness.metrics.loss.stateless import CompiledLoss, model_at
from keras_sharpness.models.first_call import (
    build,
    declared_batch_size,
)
from keras_sharpness.reasons import framework_errors, short_reason

# `loss_fn(model, batch)`: a batch is what the data yield, x, (x, y) or
# (x, y, sample_weight).
LossFunction = Callable[[keras.Model, Any], Any]


class BatchLoss:
    """`(1/n) Σᵢ sᵢ ℓᵢ(w) + Ω(w)` over the n samples of a batch.

    Args:
        model: Built `keras.Model`.
        loss: `LossSpecification`.
        is_compiled: Bool. Whether the loss is the one the model was compiled
            with, so that `model.compute_loss` decides.
        regularization: Bool. Whether Ω is part of it.
        batch_norm: Str. The mode.
        loss_fn: Callable `(model, batch)` that takes the place of `loss`: it
            calls the model and returns the mean loss, a scalar, or the losses
            of the samples, (n,).

    Attributes:
        is_compiled: Bool. As given.
        missing: Counter. Entries of x and y that are no finite numbers, as
            `check` found them.
    """

    missing: collections.Counter

    def __init__(
        self,
        model: keras.Model,
        loss: LossSpecification,
        *,
        is_compiled: bool,
        regularization: bool,
        batch_norm: BatchNormMode,
        loss_fn: LossFunction | None = None,
    ):
        self._model = model
        self._loss = loss
        self.is_compiled = is_compiled
        self._regularization = regularization
        self._batch_norm = batch_norm
        self._loss_fn = loss_fn
        self._compiled: CompiledLoss | None = None
        # A caller's own loss may look at any layer's weights and outputs.
        self._pairs = foldable_pairs(model) if loss.is_of_keras else []

    def value(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
    ) -> Any:
        """The loss, a scalar tensor.

        Args:
            weights: Tensors for `model.trainable_variables`.
            state: Tensors for `model.non_trainable_variables`.
            x: Inputs, nested tensors.
            y: Targets, nested tensors, or None.
            sample_weight: Tensor, or None.

        Returns:
            Scalar tensor.
        """
        return self._predict(weights, state, x, y, sample_weight)[0]

    def evaluate(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
    ) -> dict[str, Any]:
        """The loss and, where y is a class, the accuracy.

        Arguments as `value`.

        Returns:
            Dict of scalar tensors: `"loss"`, and for classes `"accuracy"` and
            `"counted"`, the number of predictions that it is the share of.
        """
        loss, y_pred = self._predict(weights, state, x, y, sample_weight)
        if self._loss.accuracy_kind is None or y_pred is None:
            return {"loss": loss}
        # One output may come in a dict or list.
        (y,), (y_pred,) = keras.tree.flatten(y), keras.tree.flatten(y_pred)
        share, count = accuracy(self._loss, y, y_pred)
        return {"loss": loss, "accuracy": share, "counted": count}

    def check(self, batches: Batches) -> int:
        """Refuses data that do not fit model and loss.

        Args:
            batches: The data.

        Returns:
            Int. N, the number of samples.

        Raises:
            ValueError: If they do not fit.
        """
        num_samples = first_size = 0
        weights: list[Any] = []
        self.missing = collections.Counter()
        names = getattr(self._model, "output_names", None)
        fixed = declared_batch_size(self._model) is not None
        for batch in batches:
            if num_samples == 0 or (fixed and batch.size != first_size):
                output, first_size = self._first_output(batch), batch.size
            check_batch(self._loss, batch, output, names)
            self.missing.update(count_missing(batch))
            if num_samples == 0:
                self._first_loss(batch, output)
            num_samples += batch.size
            weights += keras.tree.flatten(batch.sample_weight)
        arguments.sample_weights(
            "sample_weight", [w for w in weights if w is not None]
        )
        return num_samples

    @contextlib.contextmanager
    def forward(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        x: Any,
        y: Any,
    ) -> Iterator[Forward]:
        """The pass through the model, taken apart. Arguments as `value`.

        Yields:
            A `Forward`, of use within the block.
        """
        if self._loss_fn is not None:
            raise ValueError(
                "With `loss_fn=` it is not known what the model's outputs are. "
                "Use the Hessian, or give the loss as `loss=`."
            )
        model = self._model
        with self._model_at(weights, state, x):
            y_pred = model(x, training=False)
            penalty = self._penalty()
            outputs, specification, link = coordinates(y_pred, self._loss)

            def loss(
                outputs: Any, sample_weight: Any, *, y: Any = y, alone=True
            ) -> Any:
                return self._loss_of(
                    x, y, link(outputs), sample_weight, penalty, alone
                )

            yield Forward(
                predictions=y_pred,
                outputs=outputs,
                specification=specification,
                penalty=penalty if self._regularization else None,
                loss=loss,
            )

    def _model_at(self, weights, state, x):
        pairs = self._pairs
        if pairs:
            # Optional inputs may be missing.
            sizes = [t.shape[0] for t in keras.tree.flatten(x) if t is not None]
            pairs = gaining_pairs(pairs, sizes[0])
        return model_at(
            self._model,
            weights,
            state,
            use_batch_statistics=self._batch_norm == "batch",
            fold=pairs,
            compiled=self._compiled,
        )

    def _penalty(self) -> Any:
        # As `compute_loss` does: a term need not be a scalar.
        terms = [keras.ops.sum(term) for term in self._model.losses]
        return sum(terms) if terms else None

    def _predict(self, weights, state, x, y, sample_weight):
        if self._loss_fn is not None:
            return self._own_loss(weights, state, x, y, sample_weight), None
        with self._as_graph(), self._model_at(weights, state, x):
            y_pred = self._model(x, training=False)
            # Of the very predictions: Keras' losses look for what they are
            # made of.
            loss = self._loss_of(
                x,
                y,
                y_pred,
                sample_weight,
                self._penalty(),
                not self._regularization,
            )
        return loss, y_pred

    def _loss_of(self, x, y, y_pred, sample_weight, penalty, alone):
        model = self._model
        if self.is_compiled:
            value = model._compute_loss(
                x, y, y_pred, sample_weight, training=False
            )
            holds_penalty = penalty is not None
        else:
            names = getattr(model, "output_names", None)
            value = self._loss.mean(y, y_pred, sample_weight, names)
            holds_penalty = False
        wanted = penalty is not None and not alone
        if wanted == holds_penalty:
            return value
        return value + penalty if wanted else value - penalty

    def _own_loss(self, weights, state, x, y, sample_weight):
        with self._as_graph(), self._model_at(weights, state, x):
            value = keras.ops.convert_to_tensor(
                self._loss_fn(self._model, as_yielded(x, y, sample_weight))
            )
            if len(value.shape) > 1:
                raise ValueError(
                    "`loss_fn` must return the mean loss or one loss for each "
                    f"sample. Received: shape {tuple(value.shape)}. Take the "
                    "mean over the other axes."
                )
            value = keras.ops.mean(value)
            penalty = self._penalty() if self._regularization else None
        return value if penalty is None else value + penalty

    @contextlib.contextmanager
    def _as_graph(self) -> Iterator[None]:
        """Says what to do where a model works with values, not tensors."""
        try:
            yield
        except (AttributeError, NotImplementedError, TypeError) as error:
            if "symbolic" not in str(error).lower():
                raise
            raise ValueError(
                f"Model {self._model.name!r} or its loss asks for the values "
                "of tensors, by `.numpy()` or `if`, and a compiled function "
                "has none; `run_eagerly=True` changes only `fit`. Use "
                "`keras.ops`, e.g. `where` and `cond`. Keras says: "
                f"{short_reason(error)}"
            ) from error

    def runs_on(self, batch: Batch) -> bool:
        """Whether the model takes a batch, and answers for each sample.

        Args:
            batch: `Batch`.
        """
        try:
            output = self._output(batch)
        except (TypeError, ValueError, *framework_errors()):
            return False
        return all(
            len(leaf.shape) == 0 or leaf.shape[0] == batch.size
            for leaf in keras.tree.flatten(output)
            if leaf is not None
        )

    def _output(self, batch: Batch) -> Any:
        """The model's outputs for a batch, None where `loss_fn` calls it."""
        with self._as_it_is():
            if self._loss_fn is not None:
                self._loss_fn(self._model, as_yielded(*batch[:3]))
                return None
            return self._model(batch.x, training=False)

    def _first_output(self, batch: Batch) -> Any:
        """As `_output`, but says what to do where the data do not fit."""
        model = self._model
        declared = declared_batch_size(model)
        if self._loss_fn is not None and declared in (None, batch.size):
            return None
        try:
            return self._output(batch)
        except NotImplementedError as error:
            raise ValueError(
                f"Model {model.name!r} has no `call`. Pass `loss_fn=`, a "
                "function (model, batch) that calls its parts and returns the "
                "loss."
            ) from error
        except (TypeError, ValueError, *framework_errors()) as error:
            shapes = keras.tree.map_structure(lambda t: tuple(t.shape), batch.x)
            expected = getattr(model, "input_shape", "other shapes")
            remedy = "Reshape `x`."
            if declared not in (None, batch.size):
                remedy = (
                    f"Its inputs fix `batch_size` to {declared}: pass "
                    f"`batch_size={declared}` and a multiple of {declared} "
                    "samples. Leave the last ones out, or repeat some with "
                    "`sample_weight` 0."
                )
            raise ValueError(
                f"The data do not fit model {model.name!r}: it expects "
                f"{expected}, a batch of `x` has {shapes}. {remedy} "
                f"Keras says: {short_reason(error)}"
            ) from error

    def _first_loss(self, batch: Batch, output: Any) -> None:
        # Eagerly, for the variables that the compiled loss makes.
        model = self._model
        if self._loss.name == ADDED:
            with self._as_it_is():
                model(batch.x, training=False)
                check_added(model, regularization=self._regularization)
        if self.is_compiled and self._loss_fn is None:
            with self._as_it_is():
                model._compute_loss(
                    batch.x,
                    batch.y,
                    output,
                    batch.sample_weight,
                    training=False,
                )
                if getattr(model, "_compile_loss", None) is not None:
                    self._compiled = CompiledLoss(model)

    def _as_it_is(self):
        model = self._model
        weights, state = (
            [keras.ops.convert_to_tensor(v) for v in variables]
            for variables in (
                model.trainable_variables,
                model.non_trainable_variables,
            )
        )
        return model_at(model, weights, state)


def build_on(
    batches: Batches, model: keras.Model, loss_fn: LossFunction | None
) -> None:
    """Makes the weights of a model on the first batch of its data.

    The data are read to the end: a data set that is cached while it is read
    keeps what it holds only then.

    Args:
        batches: The data.
        model: `keras.Model` that is not built.
        loss_fn: As for `BatchLoss`.

    Raises:
        ValueError: If the model cannot be called on the data.
    """
    first: Any = None
    for batch in batches:
        first = first or batch
    build(
        model,
        first.x,
        loss_fn and (lambda: loss_fn(model, as_yielded(*first[:3]))),
    )
