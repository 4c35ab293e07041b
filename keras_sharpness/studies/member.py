"""One training of a study: what sets it apart from the others."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.runs.checks import checked_name
from keras_sharpness.studies.descriptions import (
    checked_training,
    described,
    described_training,
)
from keras_sharpness.training.schedules.schedule import BatchSizeSchedule


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One training of a study: what sets it apart from the others.

    Args:
        seed: Int. Of the initial weights, the order of samples and dropout.
        batch_size: As in `ks.train`.
        training: Dict of further arguments of `ks.train`, which take the
            place of those of the whole study.
        labels: Dict from names of columns to numbers or texts, which tell the
            members apart in tables; their names are not those of results.
        start: Str. The name of a member whose final weights this one starts
            from; None starts from those that `build_model` returns.
        name: Str. The name of the member's folder; by default it is made of
            the seed, the batch size and the labels.

    Raises:
        ValueError: If one of them does not fit.

    Example:

    ```python
    from keras_sharpness.studies import Member

    small = Member(seed=0, batch_size=16, training={"epochs": 3})
    large = Member(seed=0, batch_size=2000, start=small.name)
    assert (small.name, large.name) == (
        "seed-0-batch-16", "seed-0-batch-2000-from-seed-0-batch-16",
    )
    ```
    """

    seed: int
    batch_size: Any
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start: str | None = None
    name: str | None = None
    # Described where the member was made: what a worker is sent by value has
    # other names there.
    _settings: Mapping[str, Any] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        arguments.text("start", self.start, optional=True)
        arguments.text("name", self.name, optional=True)
        size = self.batch_size
        if not isinstance(size, BatchSizeSchedule):
            size = arguments.integer("batch_size", size, least=1)
        checked = {
            "seed": arguments.seed(self.seed),
            "batch_size": size,
            "training": checked_training(self.training),
            "labels": _checked_labels(self.labels),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.name is None:
            object.__setattr__(self, "name", self._made_name())
        checked_name(self.name)
        object.__setattr__(self, "_settings", self._described())

    @property
    def label(self) -> str:
        """What to call the training while it is under way."""
        if "group" in self.labels:
            return f"seed {self.seed}, {self.labels['group']}"
        more = [
            value if isinstance(value, str) else f"{name} {value}"
            for name, value in self.labels.items()
        ]
        return ", ".join([f"seed {self.seed}", *self._batch(" "), *more])

    def settings(self) -> dict[str, Any]:
        """What the member is, in JSON's types, beside the study's settings."""
        return dict(self._settings)

    def _described(self) -> dict[str, Any]:
        found = {
            "seed": self.seed,
            **self.labels,
            "batch_size": described(self.batch_size),
        }
        if self.training:
            found["training"] = described_training(self.training)
        if self.start is not None:
            found["start"] = self.start
        return found

    def _made_name(self) -> str:
        parts = [f"seed-{self.seed}", *self._batch("-")]
        parts += [f"{name}-{value}" for name, value in self.labels.items()]
        if self.start is not None:
            parts.append(f"from-{self.start}")
        return "-".join(parts).replace(" ", "_")

    def _batch(self, separator: str) -> list[str]:
        """A schedule has no short name; its label is the caller's."""
        if isinstance(self.batch_size, int):
            return [f"batch{separator}{self.batch_size}"]
        return []


def _checked_labels(labels: Any) -> dict[str, Any]:
    must = "a dict from names to numbers or texts"
    arguments.instance("labels", labels, Mapping, must)
    for name, value in labels.items():
        if not isinstance(name, str) or not isinstance(
            value, str | int | float | bool | None
        ):
            raise arguments.refuse("labels", labels, must)
    return dict(labels)


def checked_seeds(seeds: Any) -> list[int]:
    """The seeds, or the first so many.

    Args:
        seeds: Int, how many, or a sequence of the seeds themselves.

    Returns:
        List of int.

    Raises:
        ValueError: If it is neither, or a seed comes twice.
    """
    if not isinstance(seeds, list | tuple | range) and not np.ndim(seeds):
        return list(range(arguments.integer("seeds", seeds, least=1)))
    found = [arguments.seed(seed, "seeds") for seed in seeds]
    if not found or len(set(found)) != len(found):
        raise arguments.refuse("seeds", seeds, "one seed or more, each once")
    return found


def checked_sizes(given: Any, most: int) -> list[int]:
    """Batch sizes, from the smallest on.

    Args:
        given: Sequence of different ints.
        most: Int. The number of training samples.

    Returns:
        List of int.

    Raises:
        ValueError: If it is none, or a size exceeds `most`.
    """
    must = "a sequence of different batch sizes, one or more"
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise arguments.refuse(
            "batch_sizes", given, must, "Pass e.g. (16, 128, 2000)."
        )
    sizes = [
        arguments.integer(
            "batch_sizes",
            size,
            least=1,
            most=most,
            remedy=f"There are {most} training samples.",
        )
        for size in given
    ]
    if len(set(sizes)) < len(sizes):
        raise arguments.refuse("batch_sizes", given, must)
    return sorted(sizes)
