"""Groups of trainings, one against the other, on numbers made by hand."""

import numpy as np
import pytest

from keras_sharpness.results import Result
from keras_sharpness.studies import GroupComparison
from keras_sharpness.studies.paired_ratio import PairedRatio


def row(seed, group, eigenvalue, accuracy, loss=0.1):
    return {
        "member": f"{group}-{seed}",
        "seed": seed,
        "group": group,
        "updates": 10,
        "epochs": 1,
        "train_loss": 0.01,
        "test_loss": loss,
        "train_accuracy": accuracy and 1.0,
        "test_accuracy": accuracy,
        "converged": True,
        "eigenvalue_1": eigenvalue,
    }


PLAIN, SAM = [4.0, 5.0, 4.5], [2.0, 2.2, 2.1]


@pytest.fixture
def comparison():
    rows = [row(s, "plain", PLAIN[s], 0.90 + s / 100) for s in range(3)]
    rows += [row(s, "SAM", SAM[s], 0.93 + s / 50) for s in range(3)]
    # A seed that the plain training has not.
    rows.append(row(7, "SAM", 1e6, 0.1))
    return GroupComparison(
        rows=tuple(rows),
        failures={},
        missing=("plain-7", "noise-0"),
        settings={
            "groups": ["plain", "SAM", "noise"],
            "references": {"SAM": "plain", "noise": "plain"},
        },
        folder="here",
    )


def test_only_seeds_of_both_are_compared(comparison):
    found = comparison.differences().set_index("quantity")
    ratio = PairedRatio.of(PLAIN, SAM)
    assert found.loc["eigenvalue_1", "estimate"] == pytest.approx(ratio.ratio)
    assert found.loc["eigenvalue_1", "low"] == pytest.approx(ratio.low)
    gaps = 100 * (np.array([0.93, 0.95, 0.97]) - [0.90, 0.91, 0.92])
    assert found.loc["test_accuracy", "estimate"] == pytest.approx(gaps.mean())
    assert set(found["group"]) == {"SAM"}
    assert set(found["num_pairs"]) == {3}


def test_sentences_say_what_the_seeds_tell(comparison):
    ended, sentence = comparison.summary()
    assert ended.startswith("7 of 9 trainings ended; 2 have not been run")
    ratio = PairedRatio.of(PLAIN, SAM)
    assert sentence.startswith("SAM against plain: flatter by Hessian")
    assert f"× {ratio}" in sentence
    assert "test accuracy +4.00 points (+" in sentence
    assert "may be none" not in sentence


def test_what_they_cannot_tell_is_said_to_be_so(comparison):
    rows = [row(s, "plain", 4.0 + s, 0.9 + s / 50) for s in range(2)]
    rows += [row(s, "SAM", 5.0 - s / 4, 0.91) for s in range(2)]
    unclear = GroupComparison(
        **{**vars(comparison), "rows": tuple(rows), "missing": ()}
    )
    sentence = unclear.summary()[1]
    assert "cannot be told apart by Hessian eigenvalue 1" in sentence
    assert sentence.endswith("which may be none.")


def test_trainings_that_missed_the_loss_are_not_compared(comparison):
    missed = [
        {**r, "converged": r["group"] == "plain"} for r in comparison.rows
    ]
    found = GroupComparison(
        **{**vars(comparison), "rows": tuple(missed), "missing": ()}
    )
    assert found.differences().empty
    ended, sentence = found.summary()
    assert "4 ended before they reached the loss" in ended
    assert sentence == (
        "SAM and plain cannot be compared: no seed reached the loss with both."
    )
    assert "SAM" in found.table().index


def test_without_classes_losses_are_compared(comparison):
    rows = [row(s, "plain", 4.0 + s, None, 1.0 + s) for s in range(2)]
    rows += [row(s, "SAM", 2.0 + s, None, 0.4 + s) for s in range(2)]
    found = GroupComparison(
        **{**vars(comparison), "rows": tuple(rows), "missing": ()}
    )
    assert "test_accuracy" not in set(found.differences()["quantity"])
    assert "test loss ×" in found.summary()[1]
    assert "test accuracy (%)" not in found.table()


def test_table_and_file(comparison, tmp_path):
    table = comparison.table()
    assert list(table.index) == ["plain", "SAM"]
    mean, deviation = np.mean(PLAIN), np.std(PLAIN, ddof=1)
    expected = f"{mean:.4g} ± {deviation:.4g}"
    assert table.loc["plain", "eigenvalue 1"] == expected
    comparison.save(tmp_path / "result.json")
    again = Result.load(tmp_path / "result.json")
    assert again.summary() == comparison.summary()
