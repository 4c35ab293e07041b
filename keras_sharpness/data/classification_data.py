"""A data set of samples and class labels, split for training and testing."""

import dataclasses
from typing import Self

import numpy as np

from keras_sharpness import arguments


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationData:
    """Training and test samples with their labels, checked.

    Args:
        name: String, e.g. `"mnist_5k"`.
        x_train: Array of floats, (num_train, ...), all finite.
        y_train: Array of int64, (num_train,), from 0 to `num_classes - 1`.
        x_test: Array of floats, (num_test, ...), samples shaped as those of
            `x_train`.
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

    name: str
    x_train: np.ndarray  # (num_train, *input_shape)
    y_train: np.ndarray  # (num_train,)
    x_test: np.ndarray  # (num_test, *input_shape)
    y_test: np.ndarray  # (num_test,)
    num_classes: int
    source: str
    class_names: tuple[str, ...] | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        for name in ("name", "source"):
            arguments.text(name, getattr(self, name))
        arguments.text("licence", self.licence, optional=True)
        for name in ("x_train", "y_train", "x_test", "y_test"):
            value = getattr(self, name)
            arguments.complete(name, value)
            arguments.instance(name, value, np.ndarray, "a NumPy array")
        self._check_samples("x_train", self.x_train)
        self._check_samples("x_test", self.x_test)
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise ValueError(
                f"Training and test samples of {self.name!r} must have one "
                f"shape. Received: x_train.shape={self.x_train.shape}, "
                f"x_test.shape={self.x_test.shape}."
            )
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

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample, as the models take it."""
        return self.x_train.shape[1:]

    def take(
        self,
        num_train: int | None = None,
        num_test: int | None = None,
        *,
        seed: int | None = None,
    ) -> Self:
        """A smaller data set: the first samples, or a random choice.

        Args:
            num_train: Integer, the number of training samples; `None` keeps
                all of them, in their order.
            num_test: Integer, the number of test samples; `None` keeps all.
            seed: Integer. Chooses at random, without replacement. With one
                seed the smaller choice is the start of the larger one, and
                the training samples do not depend on `num_test`. `None`
                takes the first samples.

        Returns:
            A `ClassificationData` of the same classes.

        Raises:
            ValueError: If there are not that many samples.
        """
        train = _chosen("num_train", num_train, len(self.x_train), seed, 0)
        test = _chosen("num_test", num_test, len(self.x_test), seed, 1)
        return dataclasses.replace(
            self,
            x_train=self.x_train[train],
            y_train=self.y_train[train],
            x_test=self.x_test[test],
            y_test=self.y_test[test],
        )

    def _check_samples(self, field: str, x: np.ndarray) -> None:
        if x.ndim < 2 or x.size == 0:
            raise ValueError(
                f"`{field}` of {self.name!r} must hold samples of one or more "
                "features, (samples, features) or (samples, height, width, "
                f"channels). Received: shape {x.shape}."
            )
        if x.dtype.kind != "f":
            raise ValueError(
                f"`{field}` of {self.name!r} must be floats. Received: "
                f"dtype {x.dtype}. Scale the samples and pass e.g. "
                f'`{field}.astype("float32")`.'
            )
        finite = np.isfinite(x)
        if not finite.all():
            raise ValueError(
                f"`{field}` of {self.name!r} must be finite. Received: "
                f"{x.size - np.count_nonzero(finite)} NaN or infinite values, "
                f"the first in sample {_first_bad_sample(finite)}."
            )

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


def _first_bad_sample(finite: np.ndarray) -> int:
    return int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))


def _chosen(
    argument: str,
    number: int | None,
    available: int,
    seed: int | None,
    key: int,
) -> slice | np.ndarray:
    number = arguments.integer(
        argument,
        number,
        least=1,
        most=available,
        optional=True,
        remedy=f"There are {available} samples.",
    )
    if seed is not None:
        arguments.seed(seed)
    if number is None:
        return slice(None)
    if seed is None:
        return slice(number)
    # The key keeps the two choices independent of each other.
    generator = np.random.default_rng([seed, key])
    return generator.permutation(available)[:number]
