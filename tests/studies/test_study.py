"""A study as a list of members: what it keeps, adds and refuses."""

import math

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.runs import RunFolderError
from keras_sharpness.studies import MeasurementPlan, Member, Study, StudyResult

PLAN = MeasurementPlan(
    epsilons=(1e-2,),
    subspace_dim=None,
    num_eigenvalues=1,
    num_starts=1,
    measures={"hessian_trace": {"num_probes": 3}},
)
TRAINING = {"epochs": 2, "optimizer": keras.optimizers.SGD(0.1, momentum=0.5)}


def stamps(folder):
    """When each file below a folder was last written."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def study(build_model, blobs, members, out, **options):
    options = {"plan": PLAN, "training": TRAINING, **options}
    return Study(build_model, blobs, members, out=out, **options)


MEMBERS = [
    Member(seed=0, batch_size=45),
    Member(
        seed=0,
        batch_size=90,
        training={"epochs": 3},
        start="seed-0-batch-45",
        labels={"epochs_before": 2},
    ),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, build_model, blobs):
    out = tmp_path_factory.mktemp("study") / "study"
    made = study(build_model, blobs, MEMBERS, out)
    return out, made, made.run(progress=False)


def test_one_row_per_member(finished):
    _, _, result = finished
    frame = result.to_frame()
    assert list(frame.columns[:3]) == ["member", "seed", "batch_size"]
    assert list(frame["updates"]) == [4, 3]
    assert list(frame["epochs"]) == [2, 3]
    assert frame["epochs_before"].tolist()[1] == 2
    assert {"sharpness_0.01_full", "eigenvalue_1", "hessian_trace"} < set(frame)
    assert [c.label for c in result.measures] == [
        "φ, ε = 0.01 (%)",
        "eigenvalue 1",
        "Hessian trace",
    ]


def test_a_member_starts_where_another_ended(finished, build_model):
    out, _, _ = finished
    end = ks.saving.load_model(out / "seed-0-batch-45/model.keras")
    start = build_model()
    name = MEMBERS[1].name
    start.load_weights(out / name / "initial.weights.h5")
    for mine, theirs in zip(
        start.get_weights(), end.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_the_evaluation_holds_what_a_hand_computes(finished, blobs):
    """Gradient, norms and distances, by other means."""
    out, _, result = finished
    row = result.rows[0]
    model = ks.saving.load_model(
        out / row["member"] / "model.keras", compile=True
    )
    objective = ks.Objective(model, blobs.x_train, blobs.y_train)
    gradient = objective.gradient()
    # The same float32 operations on the same model.
    assert row["gradient_norm"] == pytest.approx(
        np.linalg.norm(gradient), rel=1e-5
    )
    squares = [
        np.sum(keras.ops.convert_to_numpy(v).astype(float) ** 2)
        for v in model.trainable_variables
    ]
    assert row["weight_norm"] == pytest.approx(
        math.sqrt(sum(squares)), rel=1e-6
    )


def test_the_log_says_where_weight_decay_sits(tmp_path, blobs):
    def build():
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(3, kernel_regularizer="l2"),
            ]
        )
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        return model

    plan = MeasurementPlan(
        epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=0, num_starts=1
    )
    made = study(
        build,
        blobs,
        [Member(seed=0, batch_size=45)],
        tmp_path / "study",
        plan=plan,
        training={
            "epochs": 30,
            "optimizer": keras.optimizers.SGD(0.1, weight_decay=0.01),
            "stop_loss": 1e-9,
        },
    )
    result = made.run(progress=False)
    folder = ks.runs.RunFolder.open(tmp_path / "study/seed-0-batch-45")
    log = folder.read("training_log")
    assert log.weight_decay == "optimizer and loss"
    assert log.converged is False
    assert result.rows[0]["converged"] is False
    assert "1 ended before they reached the loss" in result.ended()
    assert log.learning_rate == pytest.approx(0.1)
    found = folder.read("evaluation")
    kernel = ks.saving.load_model(folder.model_path).get_weights()[0]
    # Keras' "l2" is 0.01 Σ w²; float32 losses near 1 carry 1e-7.
    assert found.train_loss - found.train_data_loss == pytest.approx(
        0.01 * np.sum(kernel.astype(float) ** 2), abs=1e-6
    )


def test_a_repeated_run_only_reads_and_members_may_be_added(
    finished, build_model, blobs
):
    out, _, first = finished
    before = stamps(out)
    again = study(build_model, blobs, MEMBERS, out).run(progress=False)
    assert again.rows == first.rows
    assert before == stamps(out)
    more = [*MEMBERS, Member(seed=1, batch_size=90)]
    wider = study(build_model, blobs, more, out)
    assert wider.unfinished() == ["seed-1-batch-90"]
    wider.run_member(2, progress=False)
    assert len(wider.result().rows) == 3


def test_the_result_is_saved_and_loaded(finished, tmp_path):
    _, _, result = finished
    result.save(tmp_path / "result.json")
    assert StudyResult.load(tmp_path / "result.json").rows == result.rows


def test_other_settings_in_the_same_folder_are_refused(
    finished, build_model, blobs
):
    out, _, _ = finished
    other = {**TRAINING, "epochs": 5}
    with pytest.raises(RunFolderError, match=r"training\.epochs: 2 there, 5"):
        study(build_model, blobs, MEMBERS, out, training=other).prepare()


def test_a_start_that_is_not_finished_is_refused(tmp_path, build_model, blobs):
    made = study(build_model, blobs, MEMBERS, tmp_path / "study")
    with pytest.raises(RunFolderError, match="starts from the end of"):
        made.run_member(MEMBERS[1].name, progress=False)


def test_all_failures_are_one_error(tmp_path, build_model, blobs):
    class Failing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise ValueError("no such luck")

    training = {**TRAINING, "callbacks": [Failing()]}
    made = study(
        build_model, blobs, MEMBERS[:1], tmp_path / "study", training=training
    )
    with pytest.raises(ValueError, match=r"All 1 trainings failed.*such luck"):
        made.run(progress=False)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "`members` must be a sequence of Member, at least one"),
        ([Member(seed=0, batch_size=91)], "There are 90 training samples"),
        (
            [Member(seed=0, batch_size=5), Member(seed=0, batch_size=5)],
            "two of the name 'seed-0-batch-5'",
        ),
        (
            [Member(seed=0, batch_size=5, start="none")],
            "starts from 'none', which is no member before it",
        ),
    ],
)
def test_bad_members_are_refused_before_work(
    tmp_path, build_model, blobs, members, message
):
    with pytest.raises(ValueError, match=message):
        study(build_model, blobs, members, tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"epoch": 3}, "Received: 'epoch'. Check its name"),
        ({"seed": 3}, "The study itself gives that"),
        ({"optimizer": "none"}, "`optimizer` must be a Keras optimizer"),
    ],
)
def test_bad_training_options_are_refused(
    tmp_path, build_model, blobs, training, message
):
    with pytest.raises(ValueError, match=message):
        study(
            build_model,
            blobs,
            [Member(seed=0, batch_size=5)],
            tmp_path / "study",
            training=training,
        )
