"""Layers of minima: how many move, and which belong together."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from work.architecture import description
from work.minimum import Minimum

if TYPE_CHECKING:
    from keras_sharpness.landscape import DirectionBundle


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
