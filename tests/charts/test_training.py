"""The chart of losses and accuracies by epoch."""

import numpy as np
import pytest

from keras_sharpness.charts import training_chart
from tests.charts.results import history, marks, rows, subtitle


def pair(**options):
    return {
        f"batch {size}, seed {seed}": history(size, seed, **options)
        for seed in (0, 1)
        for size in (32, 400)
    }


def test_loss_on_a_log_scale_beside_accuracy_in_percent():
    spec = training_chart(pair()).to_dict()
    assert len(spec["hconcat"]) == 2
    loss, accuracy = (marks(panel, "line")[0] for panel in spec["hconcat"])
    assert loss["encoding"]["y"]["scale"]["type"] == "log"
    assert (
        loss["encoding"]["y"]["axis"]["title"]
        == "Cross-entropy loss (log scale)"
    )
    assert accuracy["encoding"]["y"]["axis"]["title"] == "Accuracy (%)"
    assert accuracy["encoding"]["y"]["scale"]["domain"][1] == 100.0
    for line in (loss, accuracy):
        assert line["encoding"]["x"]["axis"]["title"] == "Epoch"
        assert line["encoding"]["x"]["scale"]["domain"] == [1, 5]


def test_every_value_is_drawn():
    histories = pair()
    spec = training_chart(histories).to_dict()
    drawn = rows(spec, marks(spec["hconcat"][0], "line")[0])
    for name, result in histories.items():
        for data, values in (
            ("train", result.loss),
            ("validation", result.val_loss),
        ):
            shown = [
                row["shown"]
                for row in drawn
                if (row["run"], row["data"]) == (name, data)
            ]
            np.testing.assert_array_equal(shown, values)


def test_train_solid_validation_dashed():
    for line in marks(training_chart(pair()).to_dict(), "line"):
        assert line["encoding"]["strokeDash"]["scale"] == {
            "domain": ["train", "validation"],
            "range": [[1, 0], [5, 3]],
        }


def test_seeds_share_the_colour_of_their_batch_size():
    for line in marks(training_chart(pair()).to_dict(), "line"):
        color = line["encoding"]["color"]
        assert color["field"] == "kind"
        # The theme's first colour is the small batch's.
        assert color["scale"] == {
            "domain": ["small batch 32", "large batch 400"]
        }
        assert line["encoding"]["detail"]["field"] == "run"


def test_legend_picks_in_both_panels():
    spec = training_chart(pair()).to_dict()
    (param,) = spec["params"]
    assert param["bind"] == "legend"
    assert param["select"] == {"type": "point", "fields": ["kind"]}
    for line in marks(spec, "line"):
        opacity = line["encoding"]["opacity"]
        (condition,) = opacity["condition"]
        assert condition["param"] == param["name"]
        assert condition["value"] > 5 * opacity["value"]


def test_pointer_reads_values():
    spec = training_chart(pair()).to_dict()
    loss, accuracy = marks(spec, "point")
    for points, measure in ((loss, "loss"), (accuracy, "accuracy")):
        assert points["mark"]["opacity"] == 0
        assert [item["title"] for item in points["encoding"]["tooltip"]] == [
            "run",
            "batch",
            "epoch",
            "data",
            measure,
        ]


def test_without_validation_or_accuracy():
    spec = training_chart(
        {"run": history(validation=False, accuracy=False)}
    ).to_dict()
    (line,) = marks(spec, "line")
    assert line["encoding"]["strokeDash"]["scale"]["domain"] == ["train"]
    assert line["encoding"]["color"]["scale"]["domain"] == ["batch 32"]
    assert spec["title"]["text"] == ["Training: loss by epoch"]


def test_sweep_keeps_the_two_colours_for_smallest_and_largest():
    histories = {str(size): history(size) for size in (128, 32, 400, 64)}
    line = marks(training_chart(histories).to_dict(), "line")[0]
    color = line["encoding"]["color"]
    assert color["scale"]["domain"] == [
        "batch 32",
        "batch 400",
        "batch 64",
        "batch 128",
    ]
    assert color["legend"]["values"] == [
        "batch 32",
        "batch 64",
        "batch 128",
        "batch 400",
    ]


def test_a_diverged_run_is_named():
    histories = {**pair(), "bad": history(32, 9, stop_reason="diverged")}
    spec = training_chart(histories).to_dict()
    assert "Diverged: bad." in subtitle(spec)
    assert "Diverged: bad." in spec["description"]


def test_losses_of_zero_stand_at_the_bottom():
    run = history(epochs=3, validation=False)
    run.loss[2] = 0.0
    spec = training_chart({"run": run}).to_dict()
    panel = spec["hconcat"][0]
    (line,) = marks(panel, "line")
    lower = line["encoding"]["y"]["scale"]["domain"][0]
    drawn = rows(spec, line)
    assert [row["shown"] for row in drawn] == [1.0, 0.5, lower]
    assert "At the bottom of the axis: 1 of 3 losses" in subtitle(spec)


def test_description_has_the_last_values():
    spec = training_chart({"run": history(epochs=3)}).to_dict()
    # 0.5² while training, 0.25 more on the validation data.
    assert "batch 32: train loss 0.25 to 0.25" in spec["description"]
    assert "validation loss 0.5 to 0.5" in spec["description"]


def test_compiles_without_warnings(capfd, compiled):
    assert "small batch 32" in compiled(training_chart(pair()))
    assert "WARN" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (dict, r"ks\.train"),
        (lambda: {"run": history(epochs=0)}, r"ks\.train"),
        (lambda: {str(n): history(n) for n in range(1, 9)}, "Draw fewer"),
    ],
)
def test_refuses_what_cannot_be_drawn(make, remedy):
    with pytest.raises(ValueError, match=remedy) as error:
        training_chart(make())
    assert "\n" not in str(error.value)
