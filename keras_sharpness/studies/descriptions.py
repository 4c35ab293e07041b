"""What a study was made of, in JSON's types: names, numbers and digests."""

import dataclasses
import inspect
import types
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.fingerprint.architecture import describe_object
from keras_sharpness.fingerprint.code_digest import (
    described_code,
    described_state,
)
from keras_sharpness.fingerprint.descriptions import describe_loss
from keras_sharpness.training import train
from keras_sharpness.training.compiling import keras_optimizer

# What the study itself gives to every training.
_GIVEN = (
    "model",
    "x",
    "y",
    "batch_size",
    "seed",
    "checkpoint",
    "progress",
    "validation_data",
)
_OWN_CODE = "code, Python"


def checked_training(options: Any, name: str = "training") -> dict[str, Any]:
    """Options of `ks.train`, refused where it has none of that name.

    Args:
        options: Mapping from names to values.
        name: Str. What the caller calls them.

    Returns:
        Dict.

    Raises:
        ValueError: If it is no mapping, or a name is not one to choose.
    """
    possible = [
        n for n in inspect.signature(train).parameters if n not in _GIVEN
    ]
    must = f"a dict of options of `ks.train`: {', '.join(possible)}"
    arguments.instance(name, options, Mapping, must)
    for option in options:
        if option not in possible:
            raise ValueError(
                f"`{name}` must be {must}. Received: {option!r}. "
                + (
                    "The study itself gives that to each training."
                    if option in _GIVEN
                    else "Check its name."
                )
            )
    found = dict(options)
    if found.get("optimizer") is not None:
        found["optimizer"] = keras_optimizer(found["optimizer"])
    return found


def described_training(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `ks.train` as a study's settings show them.

    Args:
        options: Dict of `checked_training`.

    Returns:
        Dict in JSON's types; without digests of code.
    """
    return {name: _shown(described(value)) for name, value in options.items()}


def described(value: Any) -> Any:
    """A value in JSON's types; what is no value, by class, settings and code.

    Args:
        value: Number, text, None, Keras object, dataclass, function, or a
            nest of them.

    Returns:
        A value that goes to JSON.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [described(item) for item in value]
    if isinstance(value, keras.optimizers.Optimizer):
        return {**optimizer_settings(value), **optimizer_code(value)}
    if isinstance(value, type | types.FunctionType | keras.losses.Loss):
        return describe_loss(value)
    if dataclasses.is_dataclass(value):
        return {
            "class": type(value).__qualname__,
            **{
                field.name: described(getattr(value, field.name))
                for field in dataclasses.fields(value)
            },
            **described_code(type(value)),
        }
    if hasattr(value, "get_config"):
        return describe_object(value)
    return {
        "class": type(value).__qualname__,
        **described_code(type(value)),
        **described_state(value),
    }


def optimizer_settings(
    optimizer: str | keras.optimizers.Optimizer,
) -> dict[str, Any]:
    """The optimizer's class and configuration in JSON's types.

    Args:
        optimizer: Str or `keras.optimizers.Optimizer`.

    Returns:
        Dict with `class_name` and `config`.
    """
    optimizer = keras_optimizer(optimizer)
    config = optimizer.get_config()
    # Keras numbers the instances it makes: "adam_7" is no setting.
    config.pop("name", None)
    return {
        "class_name": type(optimizer).__name__,
        "config": {key: _plain(value) for key, value in config.items()},
    }


def optimizer_code(
    optimizer: str | keras.optimizers.Optimizer,
) -> dict[str, str]:
    """What an optimizer and a schedule of the user's own do.

    Args:
        optimizer: Str or `keras.optimizers.Optimizer`.

    Returns:
        Dict, empty for those of Keras.
    """
    optimizer = keras.optimizers.get(optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    return described_code(type(optimizer), type(rate))


def _plain(value: Any) -> Any:
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return keras.saving.serialize_keras_object(value)
    return value.item() if isinstance(value, np.generic) else value


def _shown(value: Any) -> Any:
    """Without digests of code, which another Python makes anew."""
    if isinstance(value, dict):
        return {
            key: _shown(item)
            for key, item in value.items()
            if not key.startswith(_OWN_CODE)
        }
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
