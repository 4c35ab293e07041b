"""Groups of trainings, one for each seed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_sharpness.data import SampleData
from keras_sharpness.studies.group_report import write_groups
from keras_sharpness.studies.group_result import GROUP, GroupComparison
from keras_sharpness.studies.member import Member
from keras_sharpness.studies.study import Study


class GroupStudy(Study):
    """A study whose trainings form groups, one training for each seed.

    Args:
        build_model: As in `Study`.
        data: `SampleData`.
        members: Sequence of `Member`; those that are compared have the label
            `group`, others only lead to them.
        references: Mapping from a group to the one it is compared with.
        title: Str. Of the report.
        question: Str. What the study asks, a paragraph of the report.
        **options: Further arguments of `Study`.
    """

    def __init__(
        self,
        build_model: Callable[[], keras.Model],
        data: SampleData,
        members: Sequence[Member],
        *,
        references: Mapping[str, str],
        title: str,
        question: str,
        **options: Any,
    ):
        super().__init__(build_model, data, members, **options)
        self._references = dict(references)
        self._title, self._question = title, question

    def comparison(self) -> GroupComparison:
        """What has been found so far; report and tables are written.

        Returns:
            A `GroupComparison`.
        """
        found = self.result()
        groups = dict.fromkeys(
            member.labels[GROUP]
            for member in self.members
            if GROUP in member.labels
        )
        values = {
            field.name: getattr(found, field.name)
            for field in dataclasses.fields(found)
        }
        values["rows"] = tuple(row for row in found.rows if row.get(GROUP))
        values["settings"] = {
            **found.settings,
            "groups": list(groups),
            "references": self._references,
        }
        comparison = GroupComparison(**values)
        if self.folder.is_writable and comparison.rows:
            write_groups(
                self.folder,
                comparison,
                title=self._title,
                question=self._question,
            )
        return comparison
