"""The first 5,000 evenly distributed digits of MNIST, shipped inside."""

from typing import Any

__all__ = ["Builder"]


def __getattr__(name: str) -> Any:
    # The digits themselves need neither TensorFlow Datasets nor TensorFlow.
    if name == "Builder":
        from keras_sharpness.data.mnist_5k.mnist_5k_dataset_builder import (
            Builder,
        )

        return Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
