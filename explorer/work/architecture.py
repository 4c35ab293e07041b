"""What models are made of and how they were made, side by side."""

from typing import Any

import pandas as pd

from keras_sharpness.saving import (
    Limits,
    ModelDescription,
    inspect_model,
)
from work.minimum import Minimum

_DESCRIPTIONS: dict[tuple[str, str], ModelDescription] = {}
_MOST = 64


def description(minimum: Minimum) -> ModelDescription:
    """What the file of a minimum says of itself; nothing is loaded.

    Raises:
        ModelFileError: If it is no model, or not one that may be opened.
    """
    key = minimum.sha256, minimum.name
    if key not in _DESCRIPTIONS:
        while len(_DESCRIPTIONS) >= _MOST:
            _DESCRIPTIONS.pop(next(iter(_DESCRIPTIONS)), None)
        _DESCRIPTIONS[key] = inspect_model(
            minimum.path,
            name=minimum.name,
            limits=None if minimum.is_shared else Limits(),
        )
    return _DESCRIPTIONS[key]


def layers_side_by_side(minima: list[Minimum]) -> pd.DataFrame:
    """One row per layer, one column per minimum: class and parameters."""
    columns: dict[str, list[str]] = {}
    names: list[str] = []
    for minimum in minima:
        layers = description(minimum).layers
        texts = [
            f"{layer.class_name}, {_shapes(layer.weight_shapes)}".removesuffix(
                ", "
            )
            for layer in layers
        ]
        columns[minimum.name] = texts
        if len(layers) > len(names):
            names = [layer.name for layer in layers]
    longest = len(names)
    return pd.DataFrame(
        {
            "layer": names,
            **{
                name: texts + ["none"] * (longest - len(texts))
                for name, texts in columns.items()
            },
        }
    )


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    """The largest weights: the others follow from them."""
    if not shapes:
        return ""
    largest = max(shapes, key=len)
    return " × ".join(map(str, largest))


def settings_side_by_side(minima: list[Minimum]) -> pd.DataFrame:
    """One row per setting, those that differ first."""
    values = {m.name: _flat(m.settings) for m in minima}
    frame = pd.DataFrame(values).fillna("not known").rename_axis("setting")
    if frame.empty or not minima:
        return frame
    differ = frame.nunique(axis="columns") > 1
    return pd.concat([frame[differ], frame[~differ]])


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if name == "fingerprint":  # digests, which say nothing to a reader
            continue
        label = f"{above}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{label}: ")
        elif isinstance(value, tuple | list):
            flat[label] = ", ".join(map(str, value))
        elif value is not None:
            flat[label] = (
                f"{value:g}" if isinstance(value, float) else str(value)
            )
    return flat
