"""Names of columns and files that hold settings, made and read by one rule."""

import re
from typing import Any


class NameTemplate:
    """A name with fields in it, e.g. `"sharpness_{epsilon}_{space}"`.

    What one template makes it reads back, so that no other code takes names
    apart.

    Args:
        text: Str with fields in braces.
        **fields: Str, a regular expression of what each field may be.

    Example:

    ```python
    from keras_sharpness.studies.column_names import NameTemplate

    column = NameTemplate("eigenvalue_{rank}", rank="[0-9]+")
    assert column.make(rank=2) == "eigenvalue_2"
    assert column.read("eigenvalue_2") == {"rank": "2"}
    assert column.read("test_loss") is None
    ```
    """

    def __init__(self, text: str, **fields: str):
        self.text = text
        pattern = re.escape(text)
        for name, values in fields.items():
            pattern = pattern.replace(
                re.escape(f"{{{name}}}"), f"(?P<{name}>{values})"
            )
        self._pattern = re.compile(pattern)

    def make(self, **values: Any) -> str:
        """The name with these values.

        Args:
            **values: One for each field.

        Returns:
            Str.
        """
        return self.text.format(**values)

    def read(self, name: str) -> dict[str, str] | None:
        """The values that a name was made with.

        Args:
            name: Str.

        Returns:
            Dict from the fields to texts, or None for another name.
        """
        found = self._pattern.fullmatch(name)
        return found.groupdict() if found else None
