"""Lanczos and what is read from its tridiagonal matrices."""
