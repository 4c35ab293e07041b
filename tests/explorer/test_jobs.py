"""The queue of computations, with real threads, and how long they take."""

import dataclasses
import threading

import keras
import pytest
from work.around import Surface
from work.data import DataChoice
from work.jobs import Job, Paces, Stopwatch, Worker, protect
from work.measure import Measure
from work.minimum import Minimum

from tests.explorer.driving import SECONDS, dropped, finish, press, texts


def run(worker, work, folder):
    job = Job(("key",), "Counting", work, folder)
    worker.submit(job)
    return job


def test_a_job_reports_and_ends(tmp_path):
    seen = []

    def work(job):
        job.stage("Halving")
        job.step(1, 2)
        seen.append(job.progress)
        job.show("half")

    job = run(Worker(), work, tmp_path)
    assert job.wait(SECONDS)
    assert job.state == "done"
    assert (seen[0].stage, seen[0].done, seen[0].total) == ("Halving", 1, 2)
    assert (job.partial, job.num_partials) == ("half", 1)


def test_a_job_is_stopped_at_its_next_step(tmp_path):
    begun, may_go_on = threading.Event(), threading.Event()
    steps = []

    def work(job):
        job.show("first")
        begun.set()
        assert may_go_on.wait(SECONDS)
        for done in range(5):
            job.step(done, 5)
            steps.append(done)

    job = run(Worker(), work, tmp_path)
    assert begun.wait(SECONDS)
    job.stop()
    may_go_on.set()
    assert job.wait(SECONDS)
    assert job.state == "stopped"
    assert steps == []
    assert job.partial == "first"


def test_jobs_take_turns_in_the_order_they_came(tmp_path):
    worker, gate, order = Worker(), threading.Event(), []

    def first(job):
        assert gate.wait(SECONDS)
        order.append("first")

    jobs = [run(worker, first, tmp_path)]
    for name in ("second", "third"):
        jobs.append(
            run(worker, lambda job, name=name: order.append(name), tmp_path)
        )
    assert [worker.ahead_of(job) for job in jobs] == [0, 1, 2]
    # One that was stopped while it waited does nothing.
    jobs[1].stop()
    gate.set()
    assert all(job.wait(SECONDS) for job in jobs)
    assert order == ["first", "third"]
    assert [job.state for job in jobs] == ["done", "stopped", "done"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("too narrow"), "too narrow"),
        (MemoryError(), "fewer samples"),
    ],
)
def test_a_failure_is_a_sentence_and_the_next_job_runs(tmp_path, error, words):
    worker = Worker()

    def fail(job):
        raise error

    failed = run(worker, fail, tmp_path)
    after = run(worker, lambda job: None, tmp_path)
    assert after.wait(SECONDS)
    assert failed.state == "failed"
    assert words in failed.message
    assert after.state == "done"


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)
def test_an_error_of_the_explorer_itself_spares_the_queue(tmp_path):
    worker, gate = Worker(), threading.Event()

    def fail(job):
        assert gate.wait(SECONDS)
        raise NameError("a mistake")

    failed = run(worker, fail, tmp_path)
    after = run(worker, lambda job: None, tmp_path)
    gate.set()
    assert after.wait(SECONDS)
    # Python tells of the error when the thread ends.
    for thread in threading.enumerate():
        if thread.name == "computations":
            thread.join(SECONDS)
    assert failed.state == "failed"
    assert "mistake" not in failed.message
    assert after.state == "done"


def test_streamlit_does_not_reset_keras_meanwhile(tmp_path):
    protect()
    begun, cleared, seen = threading.Event(), threading.Event(), []

    def work(job):
        keras.backend.clear_session()
        seen.append(keras.backend.get_uid("probe"))
        begun.set()
        assert cleared.wait(SECONDS)
        seen.append(keras.backend.get_uid("probe"))

    job = run(Worker(), work, tmp_path)
    assert begun.wait(SECONDS)
    # As Streamlit does after every run of a page, in another thread.
    keras.backend.clear_session()
    cleared.set()
    assert job.wait(SECONDS)
    # The count goes on, as it would not after a reset.
    assert seen[1] == seen[0] + 1


def test_what_remains_is_told_once_it_can_be(tmp_path, monkeypatch):
    clock = iter([0.0, 0.1, 2.0])
    monkeypatch.setattr("work.jobs.time.monotonic", lambda: next(clock))
    seen = []

    def work(job):
        job.stage("Counting")
        for done in (1, 4):
            job.step(done, 10)
            seen.append(job.progress.remaining)

    # In this thread: others look at the clock, too.
    Job(("key",), "Counting", work, tmp_path).run()
    # 4 of 10 steps in 2 seconds, so 6 more in 3.
    assert seen == [None, 3.0]


def test_the_first_step_is_not_counted():
    watch = Stopwatch()
    for begin in (0.0, 100.0):
        watch.stage("evaluation")
        # The first one compiles; two more take a second together.
        for done, now in ((1, 50.0), (2, 50.4), (3, 51.0)):
            watch.step(done, begin + now)
    watch.stage("")
    watch.step(1, 200.0)
    watch.step(2, 300.0)
    assert watch.read() == pytest.approx({"evaluation": 0.5})
    assert watch.read() == {}


def test_seconds_follow_from_what_was_measured():
    paces = Paces()
    assert paces.seconds("a", {"evaluation": 5}) is None
    paces.learn("a", {"evaluation": 0.1})
    paces.learn("b", {"evaluation": 7.0})
    assert paces.seconds("a", {"evaluation": 5}) == pytest.approx(0.5)
    # A gradient is about three evaluations, a product six.
    assert paces.seconds("a", {"gradient": 1}) == pytest.approx(0.3)
    assert paces.seconds("a", {"product": 1}) == pytest.approx(0.6)
    paces.learn("a", {"product": 2.0})
    assert paces.seconds("a", {"product": 1, "evaluation": 1}) == (
        pytest.approx(2.1)
    )


def test_the_same_network_with_other_weights(session, model_files):
    first, second, wide = (
        Minimum(name=name, path=path, is_shared=False)
        for name, path in model_files.items()
    )
    data = DataChoice(num_samples=31)
    surface = Surface(minima=(first,), data=data, num_points=5)
    assert surface.seconds() is None
    assert session.start([surface]).wait(SECONDS)
    assert surface.seconds() > 0
    other = dataclasses.replace(surface, minima=(second,), num_points=7)
    assert other.seconds() == pytest.approx(surface.seconds() * 49 / 25)
    assert Measure(minima=(second,), data=data, quantity="evaluation").seconds()
    for changed in (
        {"minima": (wide,)},
        {"data": dataclasses.replace(data, num_samples=30)},
    ):
        assert dataclasses.replace(surface, **changed).seconds() is None


@pytest.mark.app
def test_the_page_tells_seconds_once_they_are_known(opened, model_files):
    app = opened(view="Around", side="5", samples="29")
    app = dropped(app, model_files["first"])
    assert [t for t in texts(app.caption) if "known after" in t]
    cost = "25 loss evaluations on 29 samples"
    assert "about" not in next(t for t in texts(app.markdown) if cost in t)
    app = finish(press(app, "Compute"))
    app.number_input(key="plane_seed").set_value(1).run()
    assert f"{cost}, about 1 s" in " ".join(texts(app.markdown))
    assert not [t for t in texts(app.caption) if "known after" in t]
