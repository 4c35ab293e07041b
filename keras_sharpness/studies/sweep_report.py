"""The report and tables of a batch-size sweep."""

from keras_sharpness.charts import (
    Section,
    batch_size_chart,
    training_chart,
    write_report,
)
from keras_sharpness.files import write_atomically
from keras_sharpness.runs import RunFolder, StudyFolder
from keras_sharpness.studies.sweep_result import BatchSizeSweep
from keras_sharpness.studies.tables import (
    axis_title,
    latex_table,
    markdown_table,
)

RESULT = "result.json"
# As many as a chart of trainings can tell apart.
_MOST_HISTORIES = 12


def sweep_chart(sweep: BatchSizeSweep):
    """Accuracy and every sharpness against the batch size.

    Args:
        sweep: A `BatchSizeSweep` with rows.

    Returns:
        An Altair chart.
    """
    quantities = {
        "test_accuracy": "Test accuracy (%)",
        "test_loss": "Test loss",
        **{c.name: axis_title(c.label) for c in sweep.measures},
        "updates": "Updates",
    }
    return batch_size_chart(sweep.counted_frame(), quantities)


def write_sweep(study: StudyFolder, sweep: BatchSizeSweep) -> None:
    """Writes `report.html`, `table.csv`, `.md`, `.tex` and `result.json`.

    Args:
        study: The `StudyFolder`.
        sweep: The `BatchSizeSweep` of its members, with rows.
    """
    table = sweep.table()
    for name, text in (
        ("table.csv", sweep.to_frame().to_csv(index=False)),
        ("table.md", markdown_table(table)),
        ("table.tex", latex_table(table)),
    ):
        write_atomically(study.path_of(name), text.encode())
    sweep.save(study.path_of(RESULT))
    settings = sweep.settings
    write_report(
        study.path_of("report.html"),
        title=f"Batch sizes: {settings['model']} on {settings['data']}",
        subtitle=f"{settings['num_weights']:,} weights, "
        f"{settings['num_train']:,} training and {settings['num_test']:,} "
        f"test samples, seeds {', '.join(map(str, settings['seeds']))}",
        sections=_sections(study, sweep),
        footer=_footer(study, sweep),
    )


def _sections(study: StudyFolder, sweep: BatchSizeSweep) -> list[Section]:
    table = sweep.table()
    sections = [
        Section(
            heading="Result",
            paragraphs=sweep.summary(),
            table=table.rename_axis("").reset_index(),
            table_caption="Mean ± standard deviation over the seeds. All "
            "trainings of a seed start from the same weights.",
        ),
        Section(
            heading="Against the batch size",
            paragraphs=[
                "As Figure 4 of Keskar et al. (2017): the sharpness of the "
                "minimum and the accuracy on test data, against the logarithm "
                "of the batch size. Read the sharpness together with the "
                "training loss that is left, which the table shows."
            ],
            chart=sweep_chart(sweep),
        ),
    ]
    rows = sweep.rows[:_MOST_HISTORIES]
    histories = {
        row["member"]: RunFolder.open(study.path_of(row["member"])).history()
        for row in rows
    }
    sections.append(
        Section(
            heading="Training",
            paragraphs=[
                "Loss and accuracy of the training batches while they were "
                "trained on, and of the test samples after each epoch."
                + (
                    f" The first {len(rows)} of {len(sweep.rows)} trainings."
                    if len(rows) < len(sweep.rows)
                    else ""
                )
            ],
            chart=training_chart(histories),
        )
    )
    return sections


def _footer(study: StudyFolder, sweep: BatchSizeSweep) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in study.versions.items())
    settings = sweep.settings
    training, plan = (
        ", ".join(
            f"{key} {value}" for key, value in settings[name].items() if value
        )
        for name in ("training", "plan")
    )
    return f"Trained with {training}. Measured with {plan}. Made by {versions}."
