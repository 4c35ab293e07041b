"""The first 5,000 evenly distributed digits of MNIST, shipped inside."""

from keras_sharpness.data.mnist_5k.mnist_5k_dataset_builder import Builder

__all__ = ["Builder"]
