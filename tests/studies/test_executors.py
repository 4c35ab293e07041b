"""Members in processes and on Ray: the same bits, and nothing finished lost."""

import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import psutil
import pytest

import keras_sharpness as ks
from keras_sharpness.runs import RunFolderError
from keras_sharpness.studies import MeasurementPlan, Member, Study

PLAN = MeasurementPlan(
    epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=0, num_starts=1
)
TRAINING = {"epochs": 4, "optimizer": "sgd", "checkpoint_seconds": 0.0}
# A process of its own imports Keras and its framework: seconds, on a machine
# with nothing else to do.
PATIENCE = 240


def noting(folder, what="", at=2):
    """A callback that notes the epochs it sees, and does something once."""

    class Noting(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with open(os.path.join(folder, "epochs"), "a") as file:
                file.write(f"{epoch}\n")
            mark = pathlib.Path(folder, "done")
            if what and epoch == at and not mark.exists():
                mark.write_text(str(os.getpid()))
                if what == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if what == "wait":
                    time.sleep(600)
            if what == "fail":
                raise ValueError("no such luck")

    # A class that travels by value has no more than this at the other end, and
    # checkpoints hold the name.
    Noting.__qualname__ = "Noting"
    return Noting()


def epochs_seen(folder):
    return [int(line) for line in (folder / "epochs").read_text().split()]


def study_of(build_model, data, out, notes):
    """One member that works, one that fails, one that is killed once."""
    for name in ("works", "fails", "killed"):
        (notes / name).mkdir(parents=True, exist_ok=True)
    callbacks = {
        "works": noting(notes / "works"),
        "fails": noting(notes / "fails", "fail"),
        "killed": noting(notes / "killed", "kill"),
    }
    members = [
        Member(seed=0, batch_size=30, name=name, training={"callbacks": [own]})
        for name, own in callbacks.items()
    ]
    return Study(
        build_model, data, members, out=out, plan=PLAN, training=TRAINING
    )


def numbers(result):
    """The rows without what a clock says."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "member")}
        for row in result.rows
    ]


def weights(out, name):
    model = ks.saving.load_model(out / name / "model.keras")
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.fixture(scope="module")
def by_processes(tmp_path_factory, build_model, blobs):
    """(folder, notes, result) of a study by two processes at a time."""
    folder = tmp_path_factory.mktemp("processes")
    study = study_of(build_model, blobs, folder / "study", folder / "notes")
    result = study.run(executor="process", workers=2, threads=1, progress=False)
    return folder / "study", folder / "notes", result


def test_a_member_that_fails_stops_no_other(by_processes):
    out, _, result = by_processes
    assert [row["member"] for row in result.rows] == ["works", "killed"]
    assert result.failures == {"fails": "ValueError: no such luck"}
    assert "2 of 3 trainings ended; fails failed" in result.ended()
    traceback = (out / "fails/traceback.txt").read_text()
    assert "on_epoch_begin" in traceback
    assert not (out / "works/traceback.txt").exists()


def test_a_killed_worker_goes_on_from_its_checkpoint(by_processes):
    out, notes, result = by_processes
    assert epochs_seen(notes / "works") == [0, 1, 2, 3]
    assert epochs_seen(notes / "killed") == [0, 1, 2, 2, 3]
    np.testing.assert_array_equal(weights(out, "works"), weights(out, "killed"))
    first, second = numbers(result)
    assert first == second


def test_threads_are_set_and_recorded(by_processes):
    out, _, _ = by_processes
    log = ks.runs.RunFolder.open(out / "works").read("training_log")
    assert log.num_threads == 1
    assert log.seeds == {"weights": 0, "order": 0, "augmentation": 0}
    assert log.weight_decay == "none"
    assert log.converged is None
    assert log.num_updates == 12
    assert log.optimizer["class"] == "SGD"


def test_one_worker_gives_the_bits_of_two(
    by_processes, tmp_path, build_model, blobs
):
    study = study_of(build_model, blobs, tmp_path / "study", tmp_path / "notes")
    study.members = study.members[:1]
    again = study.run(executor="process", workers=1, threads=1, progress=False)
    assert numbers(again)[0] == numbers(by_processes[2])[0]
    np.testing.assert_array_equal(
        weights(by_processes[0], "works"), weights(tmp_path / "study", "works")
    )


def test_what_failed_is_tried_again_and_the_rest_is_read(
    by_processes, tmp_path, build_model, blobs
):
    out, notes, _ = by_processes
    shutil.copytree(out, tmp_path / "study")
    study = study_of(build_model, blobs, tmp_path / "study", notes)
    assert study.unfinished() == ["fails"]
    before = epochs_seen(notes / "works")
    result = study.run(executor="here", progress=False)
    assert result.failures == {"fails": "ValueError: no such luck"}
    assert epochs_seen(notes / "works") == before


SCRIPT = """
import pickle, sys
import cloudpickle
study = pickle.load(open(sys.argv[1], "rb"))()
study.run(executor="process", workers=1, threads=1, progress=False)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(tmp_path, build_model, blobs, how):
    """And leave all that is finished to the next one."""
    import cloudpickle

    out, notes = tmp_path / "study", tmp_path / "notes"
    notes.mkdir()

    def make():
        member = Member(
            seed=0,
            batch_size=30,
            name="waits",
            training={"callbacks": [noting(notes, "wait")]},
        )
        return Study(
            build_model, blobs, [member], out=out, plan=PLAN, training=TRAINING
        )

    pickled = tmp_path / "study.pickle"
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        pickled.write_bytes(cloudpickle.dumps(make))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    driver = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, pickled],
        stderr=subprocess.PIPE,
        text=True,
    )
    mark = notes / "done"
    until = time.monotonic() + PATIENCE
    while not (mark.exists() and mark.read_text()):
        assert driver.poll() is None, driver.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.1)
    worker = psutil.Process(int(mark.read_text()))
    # While it runs, nobody else may.
    with pytest.raises(RunFolderError, match="is being run by process"):
        make().run(progress=False)
    driver.send_signal(how)
    driver.communicate(timeout=PATIENCE)
    psutil.wait_procs([worker], timeout=PATIENCE)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert epochs_seen(notes) == [0, 1, 2]
    result = make().run(progress=False)
    assert epochs_seen(notes) == [0, 1, 2, 2, 3]
    assert result.rows[0]["epochs"] == 4


@pytest.fixture(scope="module")
def ray():
    """A Ray of this test's own, with folders of its own."""
    ray = pytest.importorskip("ray")
    # Its sockets' names may not be long.
    folder = tempfile.mkdtemp(prefix="ks", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=200 << 20,
            _temp_dir=folder,
        )
        yield ray
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


# Ray leaves sockets and log files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ray_gives_the_bits_of_processes(
    ray, by_processes, tmp_path, build_model, blobs
):
    study = study_of(build_model, blobs, tmp_path / "study", tmp_path / "notes")
    result = study.run(executor="ray", workers=2, threads=1, progress=False)
    assert numbers(result) == numbers(by_processes[2])
    assert result.failures == by_processes[2].failures
    assert epochs_seen(tmp_path / "notes/killed") == [0, 1, 2, 2, 3]


def test_work_and_the_users_classes_travel_by_value(build_model, blobs):
    from keras_sharpness.studies.executors.payload import packed

    class Halved(keras.optimizers.SGD):
        pass

    study = Study(
        build_model,
        blobs,
        [Member(seed=0, batch_size=30)],
        out="unused",
        plan=PLAN,
        training={"epochs": 1, "optimizer": Halved(0.5, momentum=0.25)},
    )
    _, _, work = pickle.loads(packed(study.work))
    optimizer = work.training["optimizer"]
    assert type(optimizer).__name__ == "Halved"
    assert optimizer.get_config()["momentum"] == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "`workers` must be an integer of at least 1"),
        ({"executor": "cloud"}, "`executor` must be one of"),
        ({"executor": "here", "workers": 2}, "`workers` must be 1 with"),
        ({"threads": 0}, "`threads` must be an integer of at least 1"),
        ({"ray_address": "auto"}, "`ray_address` must be left out"),
    ],
)
def test_bad_options_are_refused_before_work(
    tmp_path, build_model, blobs, options, message
):
    study = Study(
        build_model,
        blobs,
        [Member(seed=0, batch_size=30)],
        out=tmp_path / "study",
        plan=PLAN,
    )
    with pytest.raises(ValueError, match=message):
        study.run(progress=False, **options)
    assert not (tmp_path / "study").exists()


def test_a_ray_that_is_not_there_is_refused(
    tmp_path, build_model, blobs, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ray")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    study = Study(
        build_model,
        blobs,
        [Member(seed=0, batch_size=30)],
        out=tmp_path / "study",
        plan=PLAN,
    )
    with pytest.raises(
        ValueError, match=r"pip install 'keras-sharpness\[ray\]"
    ):
        study.run(executor="ray", progress=False)
    assert not (tmp_path / "study").exists()


def test_a_ray_that_cannot_be_reached_is_refused(tmp_path, build_model, blobs):
    pytest.importorskip("ray")
    study = Study(
        build_model,
        blobs,
        [Member(seed=0, batch_size=30)],
        out=tmp_path / "study",
        plan=PLAN,
    )
    # Nobody listens at the first port.
    with pytest.raises(ValueError, match="No Ray can be reached at") as caught:
        study.run(executor="ray", ray_address="127.0.0.1:1", progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study").exists()
