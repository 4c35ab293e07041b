"""Words that several views use, also those of others."""

import pytest

from explorer.views.text import counted, plain


@pytest.mark.parametrize(
    "text", ["![](http://x/y.png)", "a_b_c", "$x$", ":red[x]", "<b>", "1. x"]
)
def test_plain_leaves_nothing_to_markdown(text):
    # CommonMark: a backslash before ASCII punctuation makes it literal.
    shown = plain(text)
    assert shown.replace("\\", "") == text
    for place, character in enumerate(shown):
        if character in "[](){}_*`$<>:!.#":
            assert shown[place - 1] == "\\"


def test_counted():
    assert counted(1, "seed") == "1 seed"
    assert counted(1200, "seed") == "1,200 seeds"
