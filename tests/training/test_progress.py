"""What is reported while training, and where."""

import io
import sys

import pytest

from keras_sharpness.training import train
from keras_sharpness.training.progress import make_reporter


def test_a_function_is_called_with_updates_and_measures(make_classifier, blobs):
    calls = []
    history = train(
        make_classifier(),
        *blobs,
        batch_size=16,
        epochs=3,
        validation_data=blobs,
        progress=lambda *call: calls.append(call),
    )
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert {call[1] for call in calls} == {12}
    last = calls[-1][2]
    assert last == {
        "epoch": 3,
        "loss": history.loss[-1],
        "accuracy": history.accuracy[-1],
        "val_loss": history.val_loss[-1],
        "val_accuracy": history.val_accuracy[-1],
    }
    # Ends of epochs come with everything.
    assert [call[0] for call in calls if "val_loss" in call[2]] == [4, 8, 12]


def test_silent_without_a_terminal(make_classifier, blobs, capfd):
    train(make_classifier(), *blobs, batch_size=25, epochs=2)
    output = capfd.readouterr()
    assert output.out == ""
    # TensorFlow's C++ part may log; a bar would name the epoch.
    assert "epoch" not in output.err


def test_the_bar_shows_epoch_measures_and_remaining_time(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "120")
    reporter = make_reporter(True, epochs=5)
    assert stream.getvalue() == ""
    reporter.update(10, 10, {"epoch": 5, "loss": 0.125, "accuracy": 0.5})
    reporter.close()
    text = stream.getvalue()
    assert "epoch 5/5" in text
    assert "100%" in text
    assert "0:00:00" in text
    assert "loss 0.125  accuracy 0.5" in text


@pytest.mark.parametrize("progress", [1, "bar"])
def test_other_values_are_refused(progress):
    with pytest.raises(ValueError, match="`progress` must be a bool"):
        make_reporter(progress, epochs=1)
