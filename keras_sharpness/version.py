"""The version of the package, written into every result and run folder."""

__version__ = "0.1.0"
