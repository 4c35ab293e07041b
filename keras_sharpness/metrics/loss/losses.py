"""Which loss an objective uses."""

import dataclasses
import re
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.metrics.loss.callers_code import is_of_keras
from keras_sharpness.targets import keras_loss

SPARSE = "sparse_categorical_crossentropy"
CATEGORICAL = "categorical_crossentropy"
BINARY = "binary_crossentropy"
# Where nothing but `add_loss` in the layers makes the loss.
ADDED = "add_loss"


@dataclasses.dataclass(frozen=True)
class LossSpecification:
    """What is known of a loss function.

    Attributes:
        function: The callable `(y, y_pred)`, or None where there is no such
            one.
        name: Str. Its name in snake case, e.g. `"mean_squared_error"`.
        from_logits: Bool. Whether predictions are logits.
        nested: Dict or list of such callables, for several outputs.
        ignored_class: Int. A label whose entries the loss leaves out, or None.
        axis: Int. Of the outputs, along which the classes lie.
    """

    function: Any
    name: str
    from_logits: bool = False
    nested: Any = None
    ignored_class: int | None = None
    axis: int = -1

    def mean(
        self,
        y: Any,
        y_pred: Any,
        sample_weight: Any,
        output_names: list[str] | None = None,
    ) -> Any:
        """`(1/n) Σ sᵢ ℓᵢ` over the n samples of a batch.

        Keras' masks count as they do for a compiled loss. Of several outputs
        it is the sum.

        Args:
            y: Tensor of targets, nested as the outputs.
            y_pred: Tensor of outputs, or nested ones.
            sample_weight: Tensor of weights, nested where they differ between
                outputs, or None for ones.
            output_names: List of str. What a dict of losses calls the outputs
                where they are a list.

        Returns:
            Scalar tensor.
        """
        if self.nested is None or not keras.tree.is_nested(y_pred):
            return _mean(self.function, y, y_pred, sample_weight)
        losses = self.nested
        if isinstance(losses, dict) and not isinstance(y_pred, dict):
            y_pred = dict(zip(output_names, y_pred, strict=True))
            if not isinstance(y, dict):
                y = dict(zip(output_names, y, strict=True))
        keys = losses if isinstance(losses, dict) else range(len(losses))
        nested_weights = isinstance(sample_weight, dict | list | tuple)
        return sum(
            _mean(
                losses[key],
                y[key],
                y_pred[key],
                sample_weight[key] if nested_weights else sample_weight,
            )
            for key in keys
            if losses[key] is not None
        )

    @property
    def is_of_keras(self) -> bool:
        """Whether Keras wrote all of it: then it sees targets and outputs.

        A loss of the caller's own may read the model besides.
        """
        functions = self.leaves
        return bool(functions) and all(map(_is_of_keras, functions))

    @property
    def leaves(self) -> list[Any]:
        """The callables, of one output or of several; empty if unknown."""
        nested = self.function if self.nested is None else self.nested
        return [f for f in keras.tree.flatten(nested) if f is not None]

    @property
    def accuracy_kind(self) -> str | None:
        """How accuracy is counted: `"sparse"`, `"categorical"`, `"binary"`.

        None where the targets are not classes, or not along the last axis.
        """
        kinds = {
            SPARSE: "sparse",
            CATEGORICAL: "categorical",
            BINARY: "binary",
        }
        return kinds.get(self.name) if self.axis == -1 else None

    def of_entries(self, y: Any, y_pred: Any) -> Any:
        """The losses of which `mean` takes the mean, weights left out.

        Args:
            y: Tensor of targets.
            y_pred: Tensor of outputs.

        Returns:
            Tensor, (n, ...) unless a caller's own function returns another.
        """
        return _as_object(self.function, y_pred).call(y, y_pred)


def specification_for(
    model: keras.Model, loss: Any, loss_fn: Any
) -> LossSpecification:
    """Which loss an objective of a model uses.

    Args:
        model: `keras.Model`.
        loss: As for `loss_specification`; None for the loss that the model is
            compiled with, or computes itself.
        loss_fn: Callable `(model, batch)` in the place of `loss`, or None.

    Returns:
        `LossSpecification`; of the name `"add_loss"` where there is none, and
        the model's layers must add it.

    Raises:
        ValueError: If both are given.
    """
    if loss_fn is not None:
        if loss is not None or not callable(loss_fn):
            raise ValueError(
                "`loss_fn` must be a callable (model, batch), in the place of "
                f"`loss`. Received: loss_fn={loss_fn!r}, loss={loss!r}."
            )
        return LossSpecification(None, "loss_fn")
    own = type(model).compute_loss is not keras.Model.compute_loss
    if loss is None and getattr(model, "loss", None) is None and not own:
        return LossSpecification(None, ADDED)
    return loss_specification(model.loss if loss is None else loss)


def check_added(model: keras.Model, *, regularization: bool) -> None:
    """Refuses a model without a loss, whose layers add none either.

    Args:
        model: `keras.Model`, called just now.
        regularization: Bool. Whether what layers add is part of the objective.

    Raises:
        ValueError: If nothing is left to be measured.
    """
    added = len(model.losses) - len(model._get_regularization_losses())
    if not added:
        raise ValueError(
            f"Model {model.name!r} is not compiled with a loss, and its layers "
            "add none. Pass `loss=`, e.g. "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )
    if not regularization:
        raise ValueError(
            f"All of the loss of model {model.name!r} comes from `add_loss`, "
            "which `regularization=False` leaves out. Pass "
            "`regularization=True`, or `loss=`."
        )


def loss_specification(loss: Any) -> LossSpecification:
    """The specification of a loss as `keras.Model.compile` accepts it.

    Args:
        loss: Str, callable, `keras.losses.Loss`, or a dict or list of them;
            None where the model's own `compute_loss` knows.

    Returns:
        A `LossSpecification`.

    Raises:
        ValueError: If Keras does not know the name, or if the loss is summed
            over the samples, which makes it depend on the batch size.
    """
    if loss is None:
        return LossSpecification(None, "compute_loss")
    if isinstance(loss, dict | list | tuple):
        if not loss:
            raise arguments.refuse("loss", loss, "a loss for each output")
        nested = keras.tree.map_structure(
            lambda one: loss_specification(one).function, loss
        )
        if len(loss) != 1:
            return LossSpecification(None, "several", nested=nested)
        (loss,) = keras.tree.flatten(nested)
    else:
        nested = None
    if isinstance(loss, str) and loss in ("crossentropy", "ce"):
        raise ValueError(
            f"With loss={loss!r} Keras chooses among three losses by what it "
            "sees. Say which as `loss=`: 'binary_crossentropy', "
            "'categorical_crossentropy' or 'sparse_categorical_crossentropy'."
        )
    function = keras_loss(loss)
    if isinstance(function, keras.losses.Loss):
        if function.reduction not in ("sum_over_batch_size", "mean"):
            raise ValueError(
                f"The loss has reduction={function.reduction!r}, so its value "
                "depends on how the data are cut into batches. Use "
                "`reduction='sum_over_batch_size'`."
            )
        config = function.get_config()
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(function).__name__).lower()
        return LossSpecification(
            function,
            name,
            from_logits=bool(config.get("from_logits", False)),
            nested=nested,
            ignored_class=config.get("ignore_class"),
            axis=config.get("axis", -1),
        )
    name = getattr(function, "__name__", "custom")
    return LossSpecification(function, name, nested=nested)


def _is_of_keras(function: Any) -> bool:
    if isinstance(function, keras.losses.Loss):
        attributes = vars(function)
        return (
            is_of_keras(function)
            and not {"call", "__call__"} & attributes.keys()
            # What a wrapper wraps.
            and is_of_keras(attributes.get("fn", is_of_keras))
        )
    return is_of_keras(function)


class _FunctionLoss(keras.losses.Loss):
    """A function as the loss that `compile` makes of it."""

    def __init__(self, function: Any, dtype: str):
        super().__init__(name="loss", dtype=dtype)
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if hasattr(y_true, "shape") and hasattr(y_pred, "shape"):
            y_true, y_pred = _of_one_rank(y_true, y_pred)
        return self._function(y_true, y_pred)


def _of_one_rank(y: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both with the same axes, where one has a last axis of one entry more.

    As `compile` does it for every function: (N,) against (N, 1) would be
    broadcast to (N, N).
    """
    ops = keras.ops
    if len(y.shape) == len(y_pred.shape) + 1 and y.shape[-1] == 1:
        if len(y_pred.shape) == 1:
            return y, ops.expand_dims(y_pred, axis=-1)
        return ops.squeeze(y, axis=-1), y_pred
    if len(y_pred.shape) == len(y.shape) + 1 and y_pred.shape[-1] == 1:
        if len(y.shape) == 1:
            return ops.expand_dims(y, axis=-1), y_pred
        return y, ops.squeeze(y_pred, axis=-1)
    return y, y_pred


def _as_object(loss: Any, y_pred: Any) -> keras.losses.Loss:
    if isinstance(loss, keras.losses.Loss):
        return loss
    # Half precision is too narrow to add up losses.
    dtype = keras.tree.flatten(y_pred)[0].dtype
    wide = keras.backend.standardize_dtype(dtype) in ("float32", "float64")
    return _FunctionLoss(loss, dtype if wide else keras.config.floatx())


def _mean(loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    return _as_object(loss, y_pred)(y, y_pred, sample_weight)


def accuracy(
    specification: LossSpecification, y: Any, y_pred: Any
) -> tuple[Any, Any]:
    """The share of a batch whose predicted class is the label.

    What the loss ignores and what Keras masks is not counted.

    Args:
        specification: The loss, whose `accuracy_kind` is not None.
        y: Tensor of targets: classes (...,) or (..., 1), or one-hot (..., C).
        y_pred: Tensor of outputs (..., C), or (..., 1) for two classes.

    Returns:
        Two scalar tensors: the share, and how many predictions it is taken
        of.
    """
    ops = keras.ops
    if specification.accuracy_kind == "binary":
        threshold = 0.0 if specification.from_logits else 0.5
        predicted = ops.cast(y_pred > threshold, y_pred.dtype)
        label = ops.reshape(ops.cast(y, y_pred.dtype), ops.shape(y_pred))
    else:
        predicted = ops.argmax(y_pred, axis=-1)
        if specification.accuracy_kind == "categorical":
            label = ops.argmax(y, axis=-1)
        else:
            label = ops.reshape(y, ops.shape(predicted))
        predicted, label = (
            ops.cast(each, "int64") for each in (predicted, label)
        )
    counts = ops.ones_like(label, dtype="float64")
    if specification.ignored_class is not None:
        counts *= ops.cast(label != specification.ignored_class, "float64")
    mask = getattr(y_pred, "_keras_mask", None)
    if mask is not None:
        missing = len(counts.shape) - len(mask.shape)
        axes = tuple(range(len(mask.shape), len(mask.shape) + missing))
        counts *= ops.cast(ops.expand_dims(mask, axes), "float64")
    hits = ops.cast(ops.equal(predicted, label), "float64")
    count = ops.sum(counts)
    return ops.divide_no_nan(ops.sum(hits * counts), count), count
