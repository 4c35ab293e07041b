"""The command line: keras-sharpness compare | measure."""

from keras_sharpness.cli.main import main

__all__ = ["main"]
