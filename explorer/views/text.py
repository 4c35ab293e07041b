"""Words and their width, as several views need them."""

import re

# In pixels: longer lines are hard to read.
PAGE_WIDTH = 820

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!$:<>|~])")


def plain(text: str) -> str:
    """`text` such that Markdown shows it as it is.

    Names of models, data and folders come from files, perhaps of others.

    Args:
        text: Str.

    Returns:
        Str.
    """
    return _MARKDOWN.sub(r"\\\1", text)


def counted(number: int, noun: str) -> str:
    """E.g. `"1 seed"` and `"3 seeds"`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
