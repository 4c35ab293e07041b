"""A sweep end to end, and what its numbers are said to tell."""

import html

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.studies import (
    BatchSizeSweep,
    MeasurementPlan,
    batch_size_sweep,
)

PLAN = MeasurementPlan(
    epsilons=(1e-2,),
    subspace_dim=None,
    num_eigenvalues=1,
    num_starts=1,
    measures=("hessian_trace",),
)
OPTIONS = {
    "batch_sizes": (90, 9),
    "seeds": 2,
    "plan": PLAN,
    "training": {"epochs": 60, "stop_loss": 0.6, "optimizer": "sgd"},
    "progress": False,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, build_model, blobs):
    out = tmp_path_factory.mktemp("sweep") / "study"
    return out, batch_size_sweep(build_model, blobs, out=out, **OPTIONS)


def test_one_tidy_row_per_member(finished):
    _, sweep = finished
    frame = sweep.to_frame()
    assert list(frame["batch_size"]) == [9, 90] * 2
    needed = {
        *("seed", "batch_size", "updates", "epochs", "converged"),
        *("train_loss", "test_loss", "train_accuracy", "test_accuracy"),
        *("sharpness_0.01_full", "eigenvalue_1", "hessian_trace"),
    }
    assert needed <= set(frame)
    # Those that stopped at the loss lie at it, the others above.
    reached = frame["converged"].astype(bool)
    assert (frame["train_loss"][reached] <= 0.6 * (1 + 1e-6)).all()
    assert (frame["train_loss"][~reached] > 0.6).all()
    assert reached.any()


def test_report_and_tables_are_written(finished):
    out, sweep = finished
    table = pd.read_csv(out / "table.csv")
    pd.testing.assert_frame_equal(
        table, sweep.to_frame(), check_dtype=False, rtol=1e-12
    )
    report = html.unescape((out / "report.html").read_text())
    for sentence in sweep.summary():
        assert sentence in report
    assert "| Hessian trace |" in (out / "table.md").read_text()
    assert r"\toprule" in (out / "table.tex").read_text()
    assert BatchSizeSweep.load(out / "result.json").rows == sweep.rows


def test_more_sizes_and_seeds_may_be_asked_for(finished, build_model, blobs):
    out, sweep = finished
    less = {**OPTIONS, "batch_sizes": (9,), "seeds": 1}
    part = batch_size_sweep(build_model, blobs, out=out, **less)
    assert part.rows == sweep.rows[:1]


def made(accuracies, *, sharpness=None, updates=None, converged=True):
    """A sweep of numbers from batch sizes to one value per seed."""
    rows = [
        {
            "member": f"seed-{seed}-batch-{size}",
            "seed": seed,
            "batch_size": size,
            "updates": 100 if updates is None else updates(size),
            "epochs": 1,
            "train_loss": 0.01,
            "test_loss": 0.3,
            "train_accuracy": 1.0,
            "test_accuracy": value,
            "converged": converged,
            "stop_reason": "loss" if converged else "epochs",
            "eigenvalue_1": 1.0 if sharpness is None else sharpness(size, seed),
            "distance_from_start": 1.0,
        }
        for size, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return BatchSizeSweep(
        rows=tuple(rows),
        failures={},
        missing=(),
        settings={"num_test": 10_000},
        folder="",
    )


FALLING = {
    16: (0.930, 0.932, 0.928),
    128: (0.929, 0.931, 0.929),
    1024: (0.915, 0.918, 0.914),
    4096: (0.903, 0.906, 0.901),
}


def test_the_summary_says_what_the_seeds_tell():
    sweep = made(
        FALLING,
        sharpness=lambda size, seed: size**0.5 * (1 + seed / 50),
        updates=lambda size: 100 * (1 + 64 / size),
    )
    said = " ".join(sweep.summary())
    assert "12 of 12 trainings ended." in said
    assert "Largest batch 4096 against smallest 16" in said
    # (4096 / 16)^½ in every seed alike: no spread, hence no interval.
    assert "cannot tell which minimum is sharper" in said
    assert "The small-batch minimum generalises better" in said
    assert "falls beyond a batch size of" in said
    assert "Critical batch size 64" in said


def test_the_summary_says_no_more():
    flat = dict.fromkeys(FALLING, (0.9, 0.93, 0.91))
    said = " ".join(made(flat).summary())
    assert "cannot tell which minimum generalises better" in said
    assert "No threshold of the test accuracy" in said
    one = made({size: values[:1] for size, values in FALLING.items()})
    said = " ".join(one.summary())
    assert "One seed cannot tell" in said
    assert "No threshold of the test accuracy: one seed cannot tell" in said


def test_what_missed_the_loss_is_counted_and_left_out():
    mixed = made(FALLING)
    rows = [
        {**row, "converged": row["batch_size"] != 4096} for row in mixed.rows
    ]
    sweep = BatchSizeSweep(
        rows=tuple(rows),
        failures={"seed-3-batch-16": "ValueError: no luck"},
        missing=("seed-3-batch-128",),
        settings=mixed.settings,
        folder="",
    )
    said = sweep.summary()
    assert "12 of 14 trainings ended" in said[0]
    assert "seed-3-batch-16 failed: ValueError: no luck" in said[0]
    assert "1 have not been run" in said[0]
    assert "3 ended before they reached the loss" in said[0]
    assert said[1] == "Largest batch 1024 against smallest 16:"
    none = made(FALLING, converged=False)
    assert any("None reached the loss" in s for s in none.summary())
    assert none.critical_batch() is None


def test_the_table_is_of_means_and_sample_deviations():
    table = made(FALLING).table()
    values = 100 * np.array(FALLING[1024])
    expected = f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    assert table.loc["test accuracy (%)", "batch 1024"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_sizes": ()}, "`batch_sizes` must be a sequence of different"),
        ({"batch_sizes": (9, 91)}, "There are 90 training samples"),
        ({"batch_sizes": (9, 9)}, "`batch_sizes` must be a sequence of diff"),
        ({"batch_sizes": "9,90"}, "`batch_sizes` must be a sequence of diff"),
        ({"seeds": 0}, "`seeds` must be an integer of at least 1"),
        ({"training": {"stop_los": 1.0}}, "Received: 'stop_los'"),
    ],
)
def test_bad_options_are_refused_before_work(
    tmp_path, build_model, blobs, options, message
):
    out = tmp_path / "study"
    with pytest.raises(ValueError, match=message):
        batch_size_sweep(build_model, blobs, out=out, **{**OPTIONS, **options})
    assert not out.exists()
