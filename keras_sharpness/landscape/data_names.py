"""Values by the name of the data they were measured on."""

from collections.abc import Mapping
from typing import Any

# What the only objective is called that was passed without a name.
ONLY_NAME = "data"


def unnamed(values: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
    """The value itself where one objective was passed without a name.

    Args:
        values: Dict from a name to what was measured.
        names: Dict whose keys are the names of all objectives.

    Returns:
        `values`, or its only value, or None if that is missing.
    """
    return values.get(ONLY_NAME) if list(names) == [ONLY_NAME] else values
