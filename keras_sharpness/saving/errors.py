"""What can be wrong with a model file."""


class KerasSharpnessError(Exception):
    """Base of the errors that files from elsewhere cause."""


class ModelFileError(KerasSharpnessError):
    """The file is not a model that can be read.

    Args:
        headline: Str. What is wrong, one sentence.
        remedy: Str. Why, and what to do about it.

    Attributes:
        headline: Str, as given: the line to show in bold.
        remedy: Str, as given.
    """

    def __init__(self, headline: str, remedy: str = "") -> None:
        super().__init__(headline, remedy)
        self.headline = headline
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.headline} {self.remedy}".strip()


class UnsafeModelError(ModelFileError):
    """The file asks for what is not known to be safe, and was not loaded."""
