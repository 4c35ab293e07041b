"""Errors of other libraries: which they are, and as one line to show."""

import re
import sys
import textwrap

_BOLD = re.compile(r"\x1b\[\d*m")
_LONGEST, _MOST_READ = 400, 20_000


def short_reason(error: BaseException) -> str:
    """The innermost reason of a failure, one line of at most 400 characters.

    Keras nests the errors of layers within models in one text, together with
    their configurations; TensorFlow appends all that it knows of a graph.

    Args:
        error: Exception of whatever library.

    Returns:
        A sentence, or the name of the exception where it says nothing.

    Example:

    ```python
    from keras_sharpness.reasons import short_reason

    error = ValueError("outer. Exception encountered: inner")
    assert short_reason(error) == "inner."
    ```
    """
    text = _without_graph(_BOLD.sub("", str(error)))
    text = text.rpartition("Exception encountered: ")[2]
    text = text.partition(" Full object config:")[0][:_MOST_READ]
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    line = textwrap.shorten(
        text or type(error).__name__, _LONGEST, placeholder="…"
    )
    line = line or type(error).__name__
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _without_graph(text: str) -> str:
    """What TensorFlow says behind the places where a graph was made."""
    if not text.startswith("Graph execution error"):
        return text
    lines = [line for line in text.splitlines() if line.strip()]
    said = [
        line
        for line in lines
        if not line.startswith((" ", "\t", "<", "Detected", "Graph execution"))
    ]
    return said[-1] if said else lines[0]


def framework_errors() -> tuple[type[Exception], ...]:
    """What the framework raises of its own while a model runs.

    A framework that is not loaded raises nothing, and is not loaded for this.
    """
    tensorflow = sys.modules.get("tensorflow")
    return () if tensorflow is None else (tensorflow.errors.OpError,)
