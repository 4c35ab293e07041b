"""What Keras callbacks remember between epochs, as plain values."""

import inspect
from typing import Any

import keras
import numpy as np


class Unstorable(TypeError):
    """A value that is neither a number, a text, an array nor a nest."""


def callback_states(
    callbacks: list[keras.callbacks.Callback],
    *,
    since: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The memory of every callback, copied.

    `EarlyStopping` counts epochs and keeps the best weights,
    `ReduceLROnPlateau` a cooldown, `History` everything: numbers, texts,
    arrays, and lists and dicts of them. Arguments of the constructor are
    settings and left out.

    Args:
        callbacks: List of `keras.callbacks.Callback`.
        since: List of dicts from an earlier call; what has not changed since
            then is left out.

    Returns:
        List of dicts, in the same order.
    """
    now = [_state(callback) for callback in callbacks]
    if since is None:
        return now
    return [
        {
            name: value
            for name, value in state.items()
            if name not in earlier or not _equal(value, earlier[name])
        }
        for state, earlier in zip(now, since, strict=True)
    ]


def restore_callbacks(
    callbacks: list[keras.callbacks.Callback], states: list[dict[str, Any]]
) -> None:
    """Gives every callback its memory back.

    Args:
        callbacks: List of `keras.callbacks.Callback`.
        states: List of dicts, from `callback_states`.
    """
    for callback, state in zip(callbacks, states, strict=True):
        for name, value in state.items():
            setattr(callback, name, _copied(value))


def has_batch_hooks(callbacks: list[keras.callbacks.Callback]) -> bool:
    """Whether any callback wants to be called at every batch.

    Args:
        callbacks: List of `keras.callbacks.Callback`.

    Returns:
        Bool.
    """
    return any(
        _overrides(callback, hook)
        for callback in callbacks
        for hook in (
            "on_batch_begin",
            "on_batch_end",
            "on_train_batch_begin",
            "on_train_batch_end",
            "on_test_batch_begin",
            "on_test_batch_end",
        )
    )


def _overrides(callback: keras.callbacks.Callback, hook: str) -> bool:
    method = getattr(callback, hook)
    function = getattr(method, "__func__", method)
    if (
        function is keras.callbacks.ModelCheckpoint.on_train_batch_end
        and callback.save_freq == "epoch"
    ):
        return False
    return function is not getattr(keras.callbacks.Callback, hook)


def _state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    settings = {
        name
        for cls in type(callback).__mro__
        if "__init__" in vars(cls)
        for name in inspect.signature(cls.__init__).parameters
    }
    state = {}
    for name, value in vars(callback).items():
        if name in settings or name == "params":
            continue
        try:
            state[name] = _copied(value)
        except Unstorable:
            # Files, functions and models: on_train_begin makes them anew.
            continue
    return state


def _copied(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.copy()
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _copied(item) for key, item in value.items()}
    raise Unstorable(type(value).__name__)


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        # Bytes, because NaN equals no NaN.
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and one.tobytes() == other.tobytes()
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            _equal(item, other[key]) for key, item in one.items()
        )
    return one == other


class LastLogs(keras.callbacks.Callback):
    """Sees the logs after all callbacks before it have written into them.

    Attributes:
        logs: Dict. The logs of the last epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keeps a copy of the logs."""
        del epoch
        self.logs = dict(logs or {})

    def numbers(self) -> dict[str, float]:
        """The logs that are single numbers."""
        return {
            name: float(value)
            for name, value in self.logs.items()
            if np.isscalar(value) and not isinstance(value, str)
        }
