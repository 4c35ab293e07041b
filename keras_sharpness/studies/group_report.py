"""The report and tables of a study of groups."""

import altair as alt

from keras_sharpness.charts import Section, group_chart, write_report
from keras_sharpness.files import write_atomically
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.group_result import GroupComparison
from keras_sharpness.studies.tables import (
    axis_title,
    latex_table,
    markdown_table,
)

RESULT = "result.json"


def comparison_chart(comparison: GroupComparison) -> alt.ConcatChart:
    """Accuracy and every sharpness, group by group.

    Args:
        comparison: A `GroupComparison` with rows.

    Returns:
        An Altair chart.
    """
    quantities = {
        "test_accuracy": "Test accuracy (%)",
        "test_loss": "Test loss",
        **{c.name: axis_title(c.label) for c in comparison.measures},
        "updates": "Updates",
    }
    return group_chart(
        comparison.to_frame(), quantities, groups=comparison.groups
    )


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
            chart=comparison_chart(comparison),
        ),
    ]


def write_groups(
    folder: StudyFolder,
    comparison: GroupComparison,
    *,
    title: str,
    question: str,
) -> None:
    """Writes `report.html`, the tables and `result.json`.

    Args:
        folder: The `StudyFolder`.
        comparison: A `GroupComparison` with rows.
        title: Str. Of the report.
        question: Str. What the study asks.
    """
    settings, table = comparison.settings, comparison.table()
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
