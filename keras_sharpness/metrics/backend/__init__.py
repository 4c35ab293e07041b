"""The framework that Keras computes with."""
