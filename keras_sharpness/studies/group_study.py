"""Groups of trainings, one for each seed, and what is written of them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_sharpness.charts import Section, group_chart, write_report
from keras_sharpness.data import SampleData
from keras_sharpness.files import write_atomically
from keras_sharpness.studies.group_result import GROUP, GroupComparison
from keras_sharpness.studies.member import Member
from keras_sharpness.studies.study import Study
from keras_sharpness.studies.tables import latex_table, markdown_table

RESULT = "result.json"


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
            _write(self, comparison, title=self._title, question=self._question)
        return comparison


def group_sections(
    comparison: GroupComparison, *, question: str
) -> list[Section]:
    """The report of a study of groups.

    Args:
        comparison: A `GroupComparison` with rows.
        question: Str. What the study asks.

    Returns:
        List of `Section`.
    """
    table = comparison.table()
    quantities = {
        "test_accuracy": "Test accuracy (%)",
        "test_loss": "Test loss",
        **{
            c.name: c.label[:1].upper() + c.label[1:]
            for c in comparison.measures
        },
        "updates": "Updates",
    }
    return [
        Section(
            heading="Result",
            paragraphs=[question, *comparison.summary()],
            table=table.rename_axis("").reset_index(),
            table_caption="Mean ± standard deviation over the seeds. All "
            "trainings of a seed start from the same weights.",
        ),
        Section(
            heading="Side by side",
            paragraphs=[
                "Read the sharpness together with the training loss that is "
                "left, which the table shows."
            ],
            chart=group_chart(
                comparison.to_frame(), quantities, groups=comparison.groups
            ),
        ),
    ]


def _write(
    study: Study, comparison: GroupComparison, *, title: str, question: str
) -> None:
    folder, settings = study.folder, comparison.settings
    table = comparison.table()
    for name, text in (
        ("table.csv", comparison.to_frame().to_csv(index=False)),
        ("differences.csv", comparison.differences().to_csv(index=False)),
        ("table.md", markdown_table(table)),
        ("table.tex", latex_table(table)),
    ):
        write_atomically(folder.path_of(name), text.encode())
    comparison.save(folder.path_of(RESULT))
    versions = ", ".join(f"{k} {v}" for k, v in folder.versions.items())
    write_report(
        folder.path_of("report.html"),
        title=f"{title}: {settings['model']} on {settings['data']}",
        subtitle=f"{settings['num_weights']:,} weights, "
        f"{settings['num_train']:,} training and {settings['num_test']:,} "
        f"test samples, seeds {', '.join(map(str, settings['seeds']))}",
        sections=group_sections(comparison, question=question),
        footer=f"Made by {versions}.",
    )
