"""What models are made of and how they were made, side by side."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from keras_sharpness.saving import (
    Limits,
    ModelDescription,
    inspect_model,
)
from work.minimum import Minimum

if TYPE_CHECKING:
    from keras_sharpness.landscape import DirectionBundle

_DESCRIPTIONS: dict[tuple[str, str], ModelDescription] = {}
_MOST = 64


def num_moving(minimum: Minimum, *, everything: bool) -> int:
    """About how many layers have weights that directions move.

    Args:
        minimum: `Minimum`.
        everything: Bool. Whether biases and normalisation move, too.

    Returns:
        Int.
    """
    return sum(
        everything
        or (
            "Normalization" not in layer.class_name
            and any(len(shape) > 1 for shape in layer.weight_shapes)
        )
        for layer in description(minimum).layers
        if layer.weight_shapes
    )


def is_renamed(minimum: Minimum, first: Minimum) -> bool:
    """Whether layer for layer it is the same network, under other names.

    Keras counts layers through a process: the second network that was built
    in it has `dense_3` where the first one has `dense`.
    """
    layers, others = description(minimum).layers, description(first).layers
    kinds, names = (
        [[kind(layer) for layer in side] for side in (layers, others)]
        for kind in (
            lambda layer: (layer.class_name, layer.weight_shapes),
            lambda layer: layer.name,
        )
    )
    return kinds[0] == kinds[1] and names[0] != names[1]


def named_alike(
    minima: Sequence[Minimum], bundles: "Sequence[DirectionBundle | None]"
) -> "list[DirectionBundle | None]":
    """Bundles by layer, with the first minimum's names for all.

    Args:
        minima: Sequence of `Minimum`.
        bundles: Sequence of their `DirectionBundle`, None where unknown.

    Returns:
        List.
    """
    known = [bundle for bundle in bundles if bundle is not None]
    if not known:
        return list(bundles)
    first = minima[[*bundles].index(known[0])]
    return [
        dataclasses.replace(bundle, groups=known[0].groups)
        if bundle is not None and is_renamed(minimum, first)
        else bundle
        for minimum, bundle in zip(minima, bundles, strict=True)
    ]


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
