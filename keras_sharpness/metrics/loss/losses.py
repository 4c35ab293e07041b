"""Which loss an objective uses, and what it asks of the labels."""

import dataclasses
import re
from typing import Any

import keras
import numpy as np

_SPARSE = "sparse_categorical_crossentropy"
_CATEGORICAL = "categorical_crossentropy"
_BINARY = "binary_crossentropy"
# Losses of Keras whose targets need not have the shape of the outputs.
_OTHER_TARGETS = (
    "circle",
    "categorical_generalized_cross_entropy",
    "c_t_c",
    "ctc",
)


@dataclasses.dataclass(frozen=True)
class LossSpecification:
    """What is known of a loss function.

    Attributes:
        function: The callable `(y, y_pred)`, or None where there is no such
            one.
        name: Str. Its name in snake case, e.g. `"mean_squared_error"`.
        from_logits: Bool. Whether predictions are logits.
        nested: Dict or list of such callables, for several outputs.
    """

    function: Any
    name: str
    from_logits: bool = False
    nested: Any = None

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
    def accuracy_kind(self) -> str | None:
        """How accuracy is counted: `"sparse"`, `"categorical"`, `"binary"`.

        None where the targets are not classes.
        """
        kinds = {
            _SPARSE: "sparse",
            _CATEGORICAL: "categorical",
            _BINARY: "binary",
        }
        return kinds.get(self.name)


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
        nested = keras.tree.map_structure(
            lambda one: loss_specification(one).function, loss
        )
        if len(loss) != 1:
            return LossSpecification(None, "several", nested=nested)
        (loss,) = keras.tree.flatten(nested)
    else:
        nested = None
    function = keras.losses.get(loss)
    if isinstance(function, keras.losses.Loss):
        if function.reduction not in ("sum_over_batch_size", "mean"):
            raise ValueError(
                f"The loss has reduction={function.reduction!r}, so its value "
                "depends on how the data are cut into batches. Use "
                "`reduction='sum_over_batch_size'`."
            )
        config = function.get_config()
        from_logits = bool(config.get("from_logits", False))
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(function).__name__).lower()
        return LossSpecification(function, name, from_logits, nested)
    name = getattr(function, "__name__", "custom")
    return LossSpecification(function, name, nested=nested)


class _FunctionLoss(keras.losses.Loss):
    """A function as the loss that `compile` makes of it."""

    def __init__(self, function: Any, dtype: str):
        super().__init__(name="loss", dtype=dtype)
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)


def _mean(loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    if not isinstance(loss, keras.losses.Loss):
        # Half precision is too narrow to add up losses.
        dtype = keras.tree.flatten(y_pred)[0].dtype
        wide = keras.backend.standardize_dtype(dtype) in ("float32", "float64")
        loss = _FunctionLoss(loss, dtype if wide else keras.config.floatx())
    return loss(y, y_pred, sample_weight)


def accuracy(specification: LossSpecification, y: Any, y_pred: Any) -> Any:
    """The share of a batch whose predicted class is the label.

    Args:
        specification: The loss, whose `accuracy_kind` is not None.
        y: Tensor of targets: classes (...,) or (..., 1), or one-hot (..., C).
        y_pred: Tensor of outputs (..., C), or (..., 1) for two classes.

    Returns:
        Scalar tensor.
    """
    ops = keras.ops
    if specification.accuracy_kind == "binary":
        threshold = 0.0 if specification.from_logits else 0.5
        predicted = ops.cast(y_pred > threshold, y_pred.dtype)
        label = ops.reshape(ops.cast(y, y_pred.dtype), ops.shape(y_pred))
        hits = ops.equal(predicted, label)
    else:
        predicted = ops.argmax(y_pred, axis=-1)
        if specification.accuracy_kind == "categorical":
            label = ops.argmax(y, axis=-1)
        else:
            label = ops.reshape(y, ops.shape(predicted))
        hits = ops.equal(ops.cast(predicted, "int64"), ops.cast(label, "int64"))
    return ops.mean(ops.cast(hits, "float64"))


def check_batch(
    specification: LossSpecification, batch: Any, output: Any
) -> None:
    """Refuses a batch that the loss cannot be computed on.

    Args:
        specification: The loss.
        batch: `Batch` of tensors.
        output: The model's output for one sample, nested tensors.

    Raises:
        ValueError: For NaN, for labels that are no classes of the model, and
            for shapes that do not fit the loss.
    """
    for name in ("x", "y", "sample_weight"):
        for leaf in keras.tree.flatten(getattr(batch, name)):
            if leaf is None:
                continue
            array = keras.ops.convert_to_numpy(leaf)
            if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
                raise ValueError(
                    f"`{name}` holds NaN or infinity in "
                    f"{np.count_nonzero(~np.isfinite(array))} entries. Remove "
                    "or replace them first."
                )
    if batch.y is None and specification.accuracy_kind is not None:
        raise ValueError(
            f"The loss {specification.name} needs targets. Pass `y`."
        )
    if not hasattr(batch.y, "shape") or not hasattr(output, "shape"):
        return  # nested: several outputs, or one in a dict
    labels = keras.ops.convert_to_numpy(batch.y)
    shape = (batch.size, *output.shape[1:])
    if specification.accuracy_kind is None:
        if _compares_entries(specification):
            _check_targets(specification.name, labels.shape, shape)
    else:
        _check_range(specification, keras.ops.convert_to_numpy(output))
        _check_labels(specification.name, labels, shape)


def _compares_entries(specification: LossSpecification) -> bool:
    function = specification.function
    own = function if hasattr(function, "__name__") else type(function)
    return (
        own.__module__.startswith("keras.")
        and specification.name not in _OTHER_TARGETS
    )


def _check_range(specification: LossSpecification, output: np.ndarray) -> None:
    low, high = output.min(), output.max()
    if not specification.from_logits and (low < 0 or high > 1 + 1e-3):
        raise ValueError(
            f"The loss {specification.name} expects probabilities, but the "
            f"model's outputs lie in [{low:.3g}, {high:.3g}]. For a model that "
            "returns logits pass the loss with `from_logits=True`."
        )


def _check_labels(name: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    if name == _SPARSE:
        if y.shape not in (shape[:-1], (*shape[:-1], 1)):
            raise ValueError(
                f"`y` has shape {y.shape}, but {name} takes one class number "
                f"per output of shape {shape}. For one-hot targets use "
                "CategoricalCrossentropy."
            )
        if np.any(y != np.floor(y)) or y.min() < 0 or y.max() >= shape[-1]:
            raise ValueError(
                f"`y` must hold whole numbers from 0 to {shape[-1] - 1}, one "
                f"per class of the model. Received: {y.min()} to {y.max()}."
            )
    elif name == _CATEGORICAL and y.shape != shape:
        raise ValueError(
            f"`y` has shape {y.shape}, but {name} takes one row per output of "
            f"shape {shape}. For class numbers use "
            "SparseCategoricalCrossentropy."
        )
    elif name == _BINARY:
        _check_targets(name, y.shape, shape)
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"`y` must lie in [0, 1] for {name}. Received: from {y.min()} "
                f"to {y.max()}."
            )


def _check_targets(name: str, y: tuple, y_pred: tuple) -> None:
    # Keras broadcasts (N,) against (N, K) to (N, N), without a word.
    if y != y_pred and not (y_pred[-1] == 1 and y == y_pred[:-1]):
        raise ValueError(
            f"`y` has shape {y}, but the model's outputs have shape {y_pred}. "
            f"The loss {name} compares them entry by entry; reshape `y`."
        )
