"""The report of a comparison: one HTML file and one CSV table."""

import pandas as pd

from keras_sharpness.charts import (
    Section,
    eigenvalue_chart,
    interpolation_chart,
    sharpness_chart,
    training_chart,
    write_report,
)
from keras_sharpness.files import write_atomically
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.member_run import MemberRun
from keras_sharpness.studies.metrics import HESSIAN_EIGENVALUES
from keras_sharpness.studies.pairs import PATHS, pair_name

_SHARPNESS = (
    "The ε-sharpness φ is the rise of the training loss f, in percent, 100 "
    "(max f − f) / (1 + f), within a box of half-width ε (|w| + 1) around the "
    "weights w "
    "(Keskar et al. 2017, Metric 2.1). The maximum is searched for, so the "
    "value is a lower bound. In the random subspace the same is done along "
    "random directions only."
)
_LIMITS = (
    "The box does not follow a rescaling of the weights that leaves the "
    "network's function as it is, so sharpness compares minima of one "
    "architecture trained alike; it does not by itself explain generalisation "
    "(Dinh et al. 2017)."
)
_BATCH_NORM = {
    "inference": "Batch normalisation uses the moving statistics of each "
    "model, as at inference; along a path they are interpolated too.",
    "batch": "Batch normalisation uses the statistics of each batch, as in the "
    "paper; the batch size of the evaluation is part of the loss.",
    "recalibrate": "The moving statistics of batch normalisation are estimated "
    "anew at every evaluated point.",
}


def write_comparison(
    study: StudyFolder,
    comparison: Comparison,
    pairs: list[tuple[int, dict[str, MemberRun]]],
) -> None:
    """Writes `report.html`, `table.csv` and `comparison.json`.

    Args:
        study: The `StudyFolder`.
        comparison: The `Comparison` of its runs.
        pairs: List of (seed, dict from `"small"` and `"large"` to `MemberRun`).
    """
    csv = comparison.to_frame().to_csv(index=False)
    write_atomically(study.path_of("table.csv"), csv.encode())
    comparison.save(study.path_of("comparison.json"))
    settings = comparison.settings
    plan = settings["plan"]
    samples = plan["num_samples"] or settings["num_train"]
    write_report(
        study.path_of("report.html"),
        title="Small against large batches: "
        f"{settings['model']} on {settings['data']}",
        subtitle=f"{settings['num_weights']:,} weights, "
        f"{settings['num_train']:,} training and {settings['num_test']:,} "
        f"test samples, {_counted(len(settings['seeds']), 'seed')}, measured "
        f"on {samples:,} training samples",
        sections=_sections(study, comparison, pairs),
        footer=_footer(study, comparison),
    )


def _sections(
    study: StudyFolder,
    comparison: Comparison,
    pairs: list[tuple[int, dict[str, MemberRun]]],
) -> list[Section]:
    sizes = {kind: run.member.batch_size for kind, run in pairs[0][1].items()}
    names = {kind: f"{kind} batch {size}" for kind, size in sizes.items()}
    summary = comparison.summary()
    mode = comparison.settings["plan"]["batch_norm"]
    sections = [
        Section(
            heading="Result",
            paragraphs=comparison.verdict(),
            table=summary.rename_axis("").reset_index(),
            table_caption="Mean ± standard deviation over the seeds. Large / "
            "small: geometric mean of the seeds' ratios, in brackets its 95 % "
            "confidence interval. Both trainings of a seed start from the same "
            "weights.",
        ),
        Section(
            heading="Sharpness and generalisation",
            paragraphs=[_SHARPNESS, _BATCH_NORM[mode], _LIMITS],
            chart=sharpness_chart(comparison.sharpness_frame()),
            caption="Each point is one minimum; a line joins the two that "
            "started from the same weights.",
        ),
    ]
    for path in PATHS:
        lines = {
            f"seed {seed}": study.read(pair_name(path, seed))
            for seed, _ in pairs
        }
        formula = (
            "(1 − α) w_small + α w_large"
            if path == "linear"
            else "cos(απ/2) w_small + sin(απ/2) w_large"
        )
        sections.append(
            Section(
                heading=f"Between the two minima: {path} path",
                paragraphs=[
                    f"Loss and accuracy at {formula}, as in Figure "
                    f"{3 if path == 'linear' else 7} of Keskar et al. Look at "
                    "how steeply the loss rises on either side of α = 0 (small "
                    "batch) and α = 1 (large batch)."
                ],
                chart=interpolation_chart(
                    lines,
                    start_name=names["small"],
                    end_name=names["large"],
                ),
            )
        )
    eigenvalues = _eigenvalues(pairs)
    if eigenvalues is not None:
        sections.append(
            Section(
                heading="Curvature",
                paragraphs=[
                    "The largest eigenvalues of the Hessian of the training "
                    "loss at each minimum. They describe an infinitely small "
                    "neighbourhood and scale with the loss that is left, so "
                    "compare them together with the training loss."
                ],
                chart=eigenvalue_chart(eigenvalues),
            )
        )
    histories = {
        f"{names[kind]}, seed {seed}": run.folder.history()
        for seed, pair in pairs
        for kind, run in pair.items()
    }
    sections.append(
        Section(
            heading="Training",
            paragraphs=[
                "Loss and accuracy of the training batches while they were "
                "trained on, and of the test samples after each epoch."
            ],
            chart=training_chart(histories),
        )
    )
    return sections


def _eigenvalues(
    pairs: list[tuple[int, dict[str, MemberRun]]],
) -> pd.DataFrame | None:
    rows = []
    for seed, pair in pairs:
        for kind, run in pair.items():
            if HESSIAN_EIGENVALUES.name not in run.work.plan.names():
                return None
            result = run.folder.read(HESSIAN_EIGENVALUES.name)
            rows += [
                {
                    "seed": seed,
                    "batch": kind,
                    "batch_size": run.member.batch_size,
                    "eigenvalue": float(value),
                    "residual": float(residual),
                    "converged": bool(converged),
                }
                for value, residual, converged in zip(
                    result.eigenvalues,
                    result.residuals,
                    result.converged,
                    strict=True,
                )
            ]
    return pd.DataFrame(rows)


def _footer(study: StudyFolder, comparison: Comparison) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in study.versions.items()
    )
    settings = comparison.settings
    optimizer = settings["optimizer"]
    plan = ", ".join(
        f"{name} {value}" for name, value in settings["plan"].items()
    )
    return (
        f"Trained with {optimizer['class_name']} (learning rate "
        f"{optimizer['config'].get('learning_rate')}), at most "
        f"{settings['epochs']} epochs, seeds "
        f"{', '.join(map(str, settings['seeds']))}. Measured with {plan}. "
        f"Made by {versions}."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
