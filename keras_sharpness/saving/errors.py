"""What can be wrong with a model file."""


class KerasSharpnessError(Exception):
    """Base of the errors that files from elsewhere cause."""


class ModelFileError(KerasSharpnessError):
    """The file is not a model that can be read."""


class UnsafeModelError(ModelFileError):
    """The file could run code when it is loaded, and was not loaded."""
