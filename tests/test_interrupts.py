"""Interrupts that something on the way drops, as libraries do."""

import contextlib
import signal
import sys
import threading
import weakref

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.interrupts import kept_interrupts
from keras_sharpness.progress import track
from keras_sharpness.studies import StudyProgress


@pytest.fixture(autouse=True)
def heard():
    """Python's own handler, whatever the shell of the tests hands on."""
    hook = sys.unraisablehook
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert sys.unraisablehook is hook
    left = signal.signal(signal.SIGINT, inherited)
    assert left is signal.default_int_handler


@contextlib.contextmanager
def interrupted():
    """The block must end with an interrupt."""
    with pytest.raises(KeyboardInterrupt) as found:
        yield found


def lose_an_interrupt():
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("nothing was raised")


def test_raised_where_it_happens():
    reached = []
    with interrupted(), kept_interrupts():
        signal.raise_signal(signal.SIGINT)
        reached.append(True)
    assert not reached


def test_raised_again_at_the_next_step():
    steps = []
    with interrupted(), kept_interrupts() as check:
        check()
        steps.append("before")
        lose_an_interrupt()
        steps.append("lost")
        check()
        steps.append("after")
    assert steps == ["before", "lost"]


def test_raised_again_after_a_callback_from_c_lost_it(capsys):
    class Value:
        pass

    value = Value()
    reference = weakref.ref(value, lambda _: signal.raise_signal(signal.SIGINT))
    reached = []
    with interrupted(), kept_interrupts() as check:
        del value
        reached.append(reference() is None)
        check()
    assert reached == [True]
    assert "ignored" not in capsys.readouterr().err


def test_other_errors_that_python_drops_are_reported_as_ever(monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)

    class Value:
        def __del__(self):
            raise ValueError("in a destructor")

    with kept_interrupts():
        Value()
    assert [str(item.exc_value) for item in dropped] == ["in a destructor"]


def test_raised_at_the_end_of_the_block():
    reached = []
    with interrupted(), kept_interrupts():
        lose_an_interrupt()
        reached.append(True)
    assert reached


def test_nothing_is_raised_without_an_interrupt():
    with kept_interrupts() as check:
        check()


def test_raised_in_place_of_the_error_that_a_library_made_of_it():
    with interrupted() as found, kept_interrupts():
        lose_an_interrupt()
        raise ValueError("an error of the library's own")
    assert isinstance(found.value.__cause__, ValueError)


def test_errors_pass_as_they_are():
    with pytest.raises(ValueError, match="own"), kept_interrupts():
        raise ValueError("an error of its own")


def test_in_blocks_within_blocks():
    reached = []
    with interrupted(), kept_interrupts() as outer:
        with kept_interrupts():
            pass
        with (
            contextlib.suppress(KeyboardInterrupt),
            kept_interrupts() as inner,
        ):
            lose_an_interrupt()
            inner()
        reached.append(True)
        outer()
        reached.append("too far")
    assert reached == [True]


def test_a_handler_that_does_not_raise_keeps_its_say():
    numbers = []
    signal.signal(signal.SIGINT, lambda number, _: numbers.append(number))
    with kept_interrupts() as check:
        signal.raise_signal(signal.SIGINT)
        check()
    assert numbers == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_interrupts_that_are_ignored_stay_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with kept_interrupts() as check:
        signal.raise_signal(signal.SIGINT)
        check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_set_within_the_block_stays():
    def later(number, frame):
        raise KeyboardInterrupt

    with kept_interrupts():
        signal.signal(signal.SIGINT, later)
    assert signal.getsignal(signal.SIGINT) is later
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_pass_through():
    seen = []

    def work():
        with kept_interrupts() as check:
            check()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize("told", [False, True])
def test_tracked_work_ends_at_the_next_step(told):
    calls, steps = [], []
    progress = (lambda *step: calls.append(step)) if told else False
    with interrupted(), track("Work", 9, progress) as step:
        for number in range(9):
            if number == 2:
                lose_an_interrupt()
            step()
            steps.append(number)
    assert steps == [0, 1]
    assert calls == ([(1, 9), (2, 9)] if told else [])


@pytest.mark.parametrize("where", ["step", "report", "end"])
def test_a_study_ends_at_the_next_report(where):
    reached = []
    with interrupted(), StudyProgress(2, show=False) as bars:
        with bars.step("first") as report:
            report(1, 2)
            if where == "report":
                lose_an_interrupt()
            report(2, 2)
        reached.append("first")
        if where == "step":
            lose_an_interrupt()
        with bars.step("second"):
            reached.append("second")
        lose_an_interrupt()
        reached.append("end")
    until = {"report": 0, "step": 1, "end": 3}[where]
    assert reached == ["first", "second", "end"][:until]


def test_training_ends_at_the_next_report():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    epochs = []

    class Lose(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)
            if epoch == 1:
                lose_an_interrupt()

    with pytest.raises(KeyboardInterrupt):
        ks.train(
            model,
            np.eye(2),
            np.ones((2, 1)),
            batch_size=1,
            epochs=5,
            loss="mse",
            callbacks=[Lose()],
            progress=False,
        )
    assert epochs == [0, 1]
