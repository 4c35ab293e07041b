"""The loss of a batch at given weights."""
