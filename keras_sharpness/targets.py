"""What a loss asks of targets and outputs, and whether they are classes."""

import dataclasses
from typing import Any, Literal

import keras
import numpy as np

from keras_sharpness import arguments

AccuracyKind = Literal["sparse", "categorical", "binary"]

# Softmax and sigmoid in half precision may exceed 1 by a rounding error.
_PROBABILITY_SLACK = 1e-2

_KINDS = {
    "sparsecategoricalcrossentropy": "sparse",
    "categoricalcrossentropy": "categorical",
    "categoricalfocalcrossentropy": "categorical",
    "binarycrossentropy": "binary",
    "binaryfocalcrossentropy": "binary",
}
# Losses that compare targets and outputs entry by entry.
_ELEMENTWISE = frozenset(
    {
        "cosinesimilarity",
        "hinge",
        "huber",
        "kldivergence",
        "logcosh",
        "meanabsoluteerror",
        "meanabsolutepercentageerror",
        "meansquarederror",
        "meansquaredlogarithmicerror",
        "poisson",
        "squaredhinge",
    }
)


@dataclasses.dataclass(frozen=True)
class LossSpec:
    """What is known of a loss without calling it.

    Attributes:
        name: Str. Its name, e.g. `"SparseCategoricalCrossentropy"`.
        kind: Str. What it compares: `"sparse"`, `"categorical"`, `"binary"`,
            `"elementwise"`, or `"unknown"` for custom losses.
        from_logits: Bool. Whether it expects logits.
        ignored_class: Int or None. A label that is masked out.
    """

    name: str
    kind: Literal["sparse", "categorical", "binary", "elementwise", "unknown"]
    from_logits: bool
    ignored_class: int | None


def keras_loss(loss: Any) -> Any:
    """A single loss as Keras knows it.

    Args:
        loss: Str, function or `keras.losses.Loss`.

    Returns:
        Function, or `keras.losses.Loss`.

    Raises:
        ValueError: If it is none of these, or Keras knows no such name.
    """
    try:
        return keras.losses.get(loss)
    except (TypeError, ValueError) as error:
        raise arguments.refuse(
            "loss",
            loss,
            "a Keras loss, its name, or a function (y_true, y_pred)",
            "Pass e.g. `loss='mse'`.",
        ) from error


def loss_spec(loss: Any) -> LossSpec:
    """Describes a loss given as `keras.Model.compile` takes it.

    Args:
        loss: Str, function, `keras.losses.Loss`; anything else, a nest of
            losses included, is `"unknown"`.

    Returns:
        A `LossSpec`.

    Raises:
        ValueError: If Keras knows no loss of that name.
    """
    if keras.tree.is_nested(loss) and not loss:
        raise arguments.refuse("loss", loss, "a loss for each output")
    if loss is None or keras.tree.is_nested(loss):
        return LossSpec("custom", "unknown", False, None)
    if isinstance(loss, str) and loss in ("crossentropy", "ce"):
        # Keras decides between three losses when it sees the shapes.
        return LossSpec(loss, "unknown", False, None)
    function = keras_loss(loss)
    is_object = isinstance(function, keras.losses.Loss)
    name = type(function).__name__ if is_object else _function_name(function)
    plain = name.replace("_", "").lower()
    kind = _KINDS.get(plain)
    if kind is None:
        kind = "elementwise" if plain in _ELEMENTWISE else "unknown"
    config = function.get_config() if is_object and kind in _CLASSES else {}
    return LossSpec(
        name,
        kind,
        bool(config.get("from_logits", False)),
        config.get("ignore_class"),
    )


_CLASSES = frozenset(_KINDS.values())


def _function_name(function: Any) -> str:
    # A function of one's own may share its name with one of Keras.
    if getattr(function, "__module__", "").partition(".")[0] != "keras":
        return "custom"
    return function.__name__


def check_targets(
    name: str, y: np.ndarray, output_shape: tuple[int, ...], spec: LossSpec
) -> None:
    """Refuses targets that do not fit the loss and the outputs.

    Args:
        name: Str. What the targets are called in the message.
        y: Array (N, ...) of targets.
        output_shape: Tuple (N, ...). The shape of the outputs for them.
        spec: `LossSpec` of the loss.

    Raises:
        ValueError: For a wrong shape, labels out of range, float labels
            where classes are counted, and probabilities outside [0, 1].
    """
    if spec.kind == "sparse":
        _check_labels(name, y, output_shape, spec)
    elif spec.kind != "unknown":
        _check_shape(name, y, output_shape, spec)
    if spec.kind == "binary" and y.size and (y.min() < 0 or y.max() > 1):
        raise ValueError(
            f"`{name}` must lie in [0, 1] for {spec.name}. Received: values "
            f"from {y.min()} to {y.max()}. Map the two classes to 0 and 1."
        )


def _check_labels(
    name: str, y: np.ndarray, output_shape: tuple[int, ...], spec: LossSpec
) -> None:
    if y.shape not in (output_shape[:-1], (*output_shape[:-1], 1)):
        raise ValueError(
            f"`{name}` must have shape {output_shape[:-1]} for {spec.name} and "
            f"outputs of shape {output_shape}. Received: shape {y.shape}. Pass "
            "class numbers, or use CategoricalCrossentropy for one-hot rows."
        )
    if y.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be integers for {spec.name}. Received: dtype "
            f"{y.dtype}. Pass `{name}.astype('int64')`."
        )
    num_classes = output_shape[-1]
    bad = (y < 0) | (y >= num_classes)
    if spec.ignored_class is not None:
        bad &= y != spec.ignored_class
    if bad.any():
        raise ValueError(
            f"`{name}` must be classes from 0 to {num_classes - 1}, as the "
            f"model has {num_classes} outputs. Received: labels from {y.min()} "
            f"to {y.max()}. Renumber the classes or widen the last layer."
        )


def _check_shape(
    name: str, y: np.ndarray, output_shape: tuple[int, ...], spec: LossSpec
) -> None:
    # Keras drops or adds a last axis of one entry, and broadcasts the rest:
    # (N, 1) against (N, K) and (N,) against (N, N) would pass without a word.
    if _squeezed(y.shape) == _squeezed(output_shape):
        return
    remedy = f"Reshape `{name}` or change the model's last layer."
    if spec.kind == "categorical" and y.ndim < len(output_shape):
        remedy = (
            "Use SparseCategoricalCrossentropy for class numbers, or "
            f"`keras.utils.to_categorical({name})`."
        )
    raise ValueError(
        f"`{name}` must have the outputs' shape {output_shape} for "
        f"{spec.name}. Received: shape {y.shape}. {remedy}"
    )


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def check_probabilities(outputs: np.ndarray, spec: LossSpec) -> None:
    """Refuses logits where the loss expects probabilities.

    Args:
        outputs: Array (n, ...). The model's outputs for a few samples.
        spec: `LossSpec` of the loss.

    Raises:
        ValueError: If the loss expects probabilities and outputs lie outside
            [0, 1].
    """
    if spec.kind not in _CLASSES or spec.from_logits:
        return
    low, high = float(np.min(outputs)), float(np.max(outputs))
    if low < -_PROBABILITY_SLACK or high > 1 + _PROBABILITY_SLACK:
        camel = "".join(part.capitalize() for part in spec.name.split("_"))
        proper = camel if "_" in spec.name else spec.name
        raise ValueError(
            f"The loss {spec.name!r} expects probabilities, but the model "
            f"returns logits. Received: outputs from {low:.3g} to {high:.3g}. "
            f"Pass `loss=keras.losses.{proper}(from_logits=True)`."
        )


def accuracy_kind(
    y: Any, output_shape: tuple[int, ...], spec: LossSpec
) -> AccuracyKind | None:
    """How predictions are counted as right, or None where y is no class.

    Args:
        y: Array (N, ...) of targets; a nest has no accuracy.
        output_shape: Tuple (N, ...). The shape of the outputs for them.
        spec: `LossSpec` of the loss.

    Returns:
        `"sparse"` for class numbers, `"categorical"` for one-hot rows (under
        any loss) and for the targets of a categorical cross-entropy,
        `"binary"` for zeros and ones under a binary cross-entropy with one
        output, else None.
    """
    if not isinstance(y, np.ndarray):
        return None
    many = len(output_shape) > 1 and output_shape[-1] > 1
    if many and y.shape in (output_shape[:-1], (*output_shape[:-1], 1)):
        return "sparse" if y.dtype.kind in "iu" else None
    if many and y.shape == output_shape:
        if spec.kind == "categorical" or _is_one_hot(y):
            return "categorical"
        return None
    if spec.kind == "binary" and not many and ((y == 0) | (y == 1)).all():
        return "binary"
    return None


def losses_of(loss: Any, y: np.ndarray, output: np.ndarray) -> np.ndarray:
    """The losses of some samples.

    Args:
        loss: Loss of one output, as `model.compile` takes it. None and nested
            ones have no losses here.
        y: Array (n, ...) of targets.
        output: Array (n, ...) of outputs.

    Returns:
        Array, whatever the loss returns.
    """
    if loss is None or keras.tree.is_nested(loss):
        return np.zeros(0)
    function = keras.losses.get(loss)
    return keras.ops.convert_to_numpy(
        function(
            keras.ops.convert_to_tensor(y),
            keras.ops.convert_to_tensor(output),
        )
    )


def _is_one_hot(y: np.ndarray) -> bool:
    ones = y == 1
    rows = np.count_nonzero(ones, axis=-1)
    return bool((ones | (y == 0)).all() and (rows == 1).all())
