"""The parts of a check: evidence and verdicts, one kind per file."""

from keras_sharpness.metrics.checks.row import CheckRow, Verdict

__all__ = ["CheckRow", "Verdict"]
