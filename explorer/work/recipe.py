"""What made a figure: to run again, and to keep beside it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from work.request import Request, script


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What made a figure.

    Attributes:
        code: Str. A Python script whose `chart` is the figure.
        settings: List of dicts in JSON's types, one for each computation.
        results: List of what was drawn, with `to_dict`; None for what is
            missing.
    """

    code: str
    settings: list[dict[str, Any]]
    results: list[Any]


def computed(
    requests: Sequence[Request],
    results: Sequence[Any],
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of what was computed here, or could have been.

    Args:
        requests: Sequence of `Request` of one kind.
        results: Sequence of their results, whole or in part.
        options: Mapping of what the reader chose for the chart.

    Returns:
        A `Recipe`.
    """
    return Recipe(
        script(requests, options),
        [described(request) for request in requests],
        list(results),
    )


def described(request: Request) -> dict[str, Any]:
    """A computation in JSON's types: models by the hash of their files."""
    return {
        "computation": request.kind,
        "models": [
            {"name": minimum.name, "sha256": minimum.sha256}
            for minimum in request.minima
        ],
        "data": {
            "name": request.data.name,
            "sha256": request.data.sha256 or None,
            "num_samples": request.data.num_samples,
            "loss": request.data.loss,
            "batch_norm": request.data.batch_norm,
        },
        "settings": request.settings(),
    }
