"""Algorithms on vectors: they see an operator, never a model."""
