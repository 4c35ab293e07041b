"""A bar with what remains, or a function's calls."""

import io

import pytest
from rich.console import Console

from keras_sharpness.progress import check_progress, is_watched, track


def test_a_function_is_told_of_every_step_and_never_of_more_than_all():
    seen = []
    with track("Halving", 2, lambda *step: seen.append(step)) as advance:
        for _ in range(3):
            advance()
    assert seen == [(1, 2), (2, 2), (2, 2)]


@pytest.mark.parametrize("progress", [False, None])
def test_nobody_watches_no_bar(progress, capsys):
    with track("Halving", 2, progress) as advance:
        advance()
    assert capsys.readouterr().err == ""


def test_the_bar_says_what_is_done(capsys, monkeypatch):
    # Else rich draws nothing where there is no terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    with track("Halving", 2, True) as advance:
        advance()
        advance()
    assert "Halving" in capsys.readouterr().err


def test_what_is_watched():
    assert is_watched(Console(file=io.StringIO(), force_terminal=True))
    assert not is_watched(Console(file=io.StringIO(), force_terminal=False))


@pytest.mark.parametrize("progress", [1, "bar", [print]])
def test_other_values_are_refused(progress):
    with pytest.raises(ValueError, match="`progress` must be a bool, None"):
        check_progress(progress)
