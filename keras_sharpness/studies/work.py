"""All that a study's trainings need, as one value that can be sent."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_sharpness.data import SampleData
from keras_sharpness.studies.measurement import MeasurementPlan
from keras_sharpness.studies.member import Member


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """All that a study's trainings need, as one value that can be sent.

    Attributes:
        build_model: Callable that returns a built `keras.Model`.
        data: `SampleData`.
        plan: `MeasurementPlan`.
        training: Dict of the options of `ks.train` that all share.
        members: Tuple of `Member`.
        settings: Dict in JSON's types, of the study.
        out: Path of the study's folder.
    """

    build_model: Callable[[], keras.Model]
    data: SampleData
    plan: MeasurementPlan
    training: Mapping[str, Any]
    members: tuple[Member, ...]
    settings: Mapping[str, Any]
    out: pathlib.Path

    def member(self, name: str) -> Member:
        """The member of this name.

        Args:
            name: Str.

        Returns:
            A `Member`.
        """
        return next(m for m in self.members if m.name == name)

    def path(self, name: str) -> pathlib.Path:
        """The folder of a member.

        Args:
            name: Str.

        Returns:
            Path.
        """
        return self.out / name

    def settings_of(self, member: Member) -> dict[str, Any]:
        """What a member's folder is of.

        Args:
            member: A `Member`.

        Returns:
            Dict in JSON's types.
        """
        return {**self.settings, **member.settings()}

    def training_of(self, member: Member) -> dict[str, Any]:
        """The options of `ks.train` for a member.

        Args:
            member: A `Member`.

        Returns:
            Dict.
        """
        return {**self.training, **member.training}
