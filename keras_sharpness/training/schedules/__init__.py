"""Batch sizes that grow while a network is trained."""
