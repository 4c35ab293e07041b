"""A data set of samples and class labels, split for training and testing."""

import dataclasses

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data.sample_data import SampleData


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationData(SampleData):
    """Training and test samples with their labels, checked.

    Args:
        name: String, e.g. `"mnist_5k"`.
        x_train: Array of floats, all finite, or of whole numbers that stand
            for words, (num_train, ...).
        y_train: Array of int64, (num_train,), from 0 to `num_classes - 1`.
        x_test: Array, (num_test, ...), samples as those of `x_train`.
        y_test: Array of int64, (num_test,).
        num_classes: Integer, at least 2.
        source: String. Where the data came from.
        class_names: Tuple of `num_classes` strings, or `None`.
        licence: String, or `None` where the source does not say.

    Raises:
        ValueError: If the arrays are not as above.

    Example:

    ```python
    import numpy as np
    import keras_sharpness as ks

    data = ks.data.ClassificationData(
        name="xor",
        x_train=np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        y_train=np.array([0, 1, 1, 0]),
        x_test=np.array([[0.0, 0.9]]),
        y_test=np.array([1]),
        num_classes=2,
        source="made here",
    )
    assert data.input_shape == (2,)
    assert data.take(2, seed=0).x_train.shape == (2, 2)
    ```
    """

    num_classes: int
    class_names: tuple[str, ...] | None = None

    def _check_targets(self) -> None:
        arguments.integer("num_classes", self.num_classes, least=2)
        if self.class_names is not None:
            arguments.instance(
                "class_names",
                self.class_names,
                list | tuple,
                "a tuple of names",
            )
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ValueError(
                f"`class_names` of {self.name!r} must hold a name for each "
                f"class. Received: {len(self.class_names)} names of "
                f"{self.num_classes} classes."
            )
        self._check_labels("y_train", self.y_train, len(self.x_train))
        self._check_labels("y_test", self.y_test, len(self.x_test))

    def _check_labels(self, field: str, y: np.ndarray, num: int) -> None:
        if y.dtype.kind not in "iu" or y.shape != (num,):
            raise ValueError(
                f"`{field}` of {self.name!r} must be integer labels, one for "
                f"each of the {num} samples, shape ({num},). Received: dtype "
                f"{y.dtype}, shape {y.shape}."
            )
        if y.min() < 0 or y.max() >= self.num_classes:
            raise ValueError(
                f"`{field}` of {self.name!r} must be labels from 0 to "
                f"{self.num_classes - 1}. Received: labels from {y.min()} to "
                f"{y.max()}."
            )
