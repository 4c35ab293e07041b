"""What a session keeps, where, and until when."""

import os
import pathlib
import tempfile

import keras
import numpy as np
import pytest
from views.computation import progress_words
from work.around import Surface
from work.data import DataChoice
from work.jobs import WORKER, Job, Progress
from work.loaded import LOADED
from work.measure import Measure
from work.session import MOST_FILES, Session, sweep
from work.spectrum import Spectrum

from keras_sharpness.landscape.plane_points import PlanePoints
from keras_sharpness.saving import ModelFileError
from tests.explorer.driving import SECONDS


def evaluation(minimum):
    return Measure(
        minima=(minimum,),
        data=DataChoice(num_samples=32),
        quantity="evaluation",
    )


def test_nothing_is_left_when_the_browser_leaves(model_files, tmp_path):
    session = Session()
    minimum = session.add_model(
        "../../evil.keras", model_files["first"].read_bytes()
    )
    assert minimum.path.parent == session.folder
    assert minimum.path.stem == minimum.sha256
    assert (session.folder.stat().st_mode & 0o777) == 0o700
    request = evaluation(minimum)
    job = session.start([request])
    assert job.wait(SECONDS)
    assert session.result(request).train_loss > 0
    digest = minimum.sha256
    assert digest in LOADED._models
    session.close()
    assert not session.folder.exists()
    assert session.result(request) is None
    assert digest not in LOADED._models
    assert not [key for key in LOADED._objectives if key[0] == digest]
    # Nor anywhere else, under its own name.
    assert not list(pathlib.Path(tempfile.gettempdir()).glob("*evil*"))


def test_results_of_dropped_files_stay_in_their_session(session, model_files):
    content = model_files["first"].read_bytes()
    request = evaluation(session.add_model("first.keras", content))
    assert session.start([request]).wait(SECONDS)
    other = Session()
    try:
        same = evaluation(other.add_model("first.keras", content))
        assert same.key == request.key
        assert session.result(request) is not None
        assert other.result(same) is None
    finally:
        other.close()


def test_a_new_computation_stops_the_one_before(session, model_files):
    minimum = session.add_model("a.keras", model_files["first"].read_bytes())
    first = session.start([evaluation(minimum)] * 50)
    second = session.start([evaluation(minimum)])
    assert second.wait(SECONDS)
    assert first.wait(SECONDS)
    assert first.state in ("stopped", "done")
    assert second.state == "done"


def test_there_is_a_limit_of_files(session, model_files, monkeypatch):
    monkeypatch.setattr("work.session.MOST_FILES", 2)
    for name in ("first", "second"):
        session.add_model(name, model_files[name].read_bytes())
    with pytest.raises(ModelFileError, match="2 files"):
        session.add_model("wide", model_files["wide"].read_bytes())
    assert MOST_FILES > 2
    session.remove("first")
    session.add_model("wide", model_files["wide"].read_bytes())
    assert list(session.minima) == ["second", "wide"]


def test_names_are_told_apart(session, model_files):
    for name in ("first", "second", "wide"):
        session.add_model("model.keras", model_files[name].read_bytes())
    assert list(session.minima) == ["model", "model (2)", "model (3)"]


def test_what_a_killed_server_left_is_swept(session):
    folder = pathlib.Path(tempfile.gettempdir())
    # Beyond the highest process id of Linux.
    left = folder / f"keras-sharpness-explorer-{2**22 + 1}-abc"
    left.mkdir()
    sweep()
    assert not left.exists()
    assert session.folder.exists()
    assert str(os.getpid()) in session.folder.name


def test_a_stopped_surface_goes_on_where_it_was(
    session, model_files, monkeypatch
):
    minimum = session.add_model("a.keras", model_files["first"].read_bytes())
    request = Surface(
        minima=(minimum,), data=DataChoice(num_samples=32), num_points=9
    )
    point, places = PlanePoints.at, []

    def noted(points, row, column):
        places.append((row, column))
        if len(places) == 30:
            session.job.stop()
        return point(points, row, column)

    monkeypatch.setattr(PlanePoints, "at", noted)
    stopped = session.start([request])
    assert stopped.wait(SECONDS)
    assert stopped.state == "stopped"
    # What was finished when it was stopped is shown.
    assert stopped.partial.surface.finished.sum() == 30
    assert session.result(request) is None
    assert len(places) == 30
    resumed = session.start([request])
    assert resumed.wait(SECONDS)
    assert resumed.state == "done"
    # Each of the 81 points was evaluated, and none of them twice.
    assert len(places) == len(set(places)) == 81
    assert session.result(request).surface.is_complete


def test_a_stopped_density_keeps_the_probes_that_were_finished(
    session, model_files, monkeypatch
):
    minimum = session.add_model("a.keras", model_files["first"].read_bytes())
    # In two groups of five, which share their products.
    request = Spectrum(
        minima=(minimum,),
        data=DataChoice(num_samples=32),
        num_probes=10,
        num_steps=4,
    )
    step, counts = Job.step, []

    def noted(job, done, total):
        counts.append((done, total))
        if done > 5 * 4:
            job.stop()
        step(job, done, total)

    monkeypatch.setattr(Job, "step", noted)
    stopped = session.start([request])
    assert stopped.wait(SECONDS)
    assert stopped.state == "stopped"
    assert session.result(request) is None
    assert {total for _, total in counts} == {40}
    counts.clear()
    resumed = session.start([request])
    assert resumed.wait(SECONDS)
    assert resumed.state == "done", resumed.message
    assert {total for _, total in counts} == {20}
    found = session.result(request)
    assert (found.num_probes, found.num_products) == (10, 40)


def test_what_is_still_to_come_is_told(session, model_files, monkeypatch):
    minima = [
        session.add_model(f"{name}.keras", model_files[name].read_bytes())
        for name in ("first", "wide")
    ]
    # As many as no other test learns the pace of.
    requests = [
        Spectrum(minima=(minimum,), data=DataChoice(num_samples=31))
        for minimum in minima
    ]
    later = []
    monkeypatch.setattr(Spectrum, "run", lambda _, job: later.append(job.later))
    assert session.start(requests).wait(SECONDS)
    assert later == [requests[1:], []]

    progress = Progress("first: spectral density", 150, 600, 45.0)
    here = "first\\: spectral density · 150 of 600 · 45 s left"
    assert progress_words(progress, []) == here
    # How fast the other network is, nobody knows yet.
    assert progress_words(progress, requests[1:]) == f"{here} · then 1 more"
    requests[1].learn({"product": 0.2})
    assert (
        progress_words(progress, requests[1:])
        == f"{here} · then 1 more, about 2 min 0 s"
    )


def test_ten_files_open_at_once_stay_within_the_limits(session, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    for number in range(10):
        model.set_weights([np.full((4, 3), number), np.zeros(3)])
        model.save(tmp_path / f"{number}.keras")
        content = (tmp_path / f"{number}.keras").read_bytes()
        session.add_model(f"{number}.keras", content)
    assert list(session.minima) == [str(number) for number in range(10)]
    held = []

    def load(job):
        for minimum in [*session.minima.values()][:6]:
            kernel = LOADED.model(minimum, job).get_weights()[0]
            assert kernel.max() == float(minimum.name)
            held.append(len(LOADED._models))

    job = Job(("ten",), "Ten", load, session.folder)
    WORKER.submit(job)
    assert job.wait(SECONDS)
    assert job.state == "done", job.message
    # Of six that are looked at in turn, four stay loaded.
    assert max(held) == held[-1] == 4
    # The same again is not kept twice.
    session.add_model("again.keras", content)
    assert len(session.minima) == len(list(session.folder.iterdir())) == 10
    digests = {minimum.sha256 for minimum in session.minima.values()}
    for name in list(session.minima):
        session.remove(name)
    assert not list(session.folder.iterdir())
    assert not digests & LOADED._models.keys()
