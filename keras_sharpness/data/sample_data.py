"""A data set of samples and targets of any kind, split for testing."""

import dataclasses
from typing import Self

import numpy as np

from keras_sharpness import arguments


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SampleData:
    """Training and test samples with their targets, checked.

    Targets are what a loss takes: numbers to predict, (N,) or (N, k), one-hot
    rows, several labels per sample. For one class per sample there is
    `ClassificationData`.

    Args:
        name: String, e.g. `"boston_housing"`.
        x_train: Array of finite floats, or of whole numbers that stand for
            words, (num_train, ...).
        y_train: Array of finite numbers, (num_train, ...).
        x_test: Array, (num_test, ...), of the kind and shape of `x_train`.
        y_test: Array, (num_test, ...), of the shape of `y_train`.
        source: String. Where the data came from.
        licence: String, or `None` where the source does not say.

    Raises:
        ValueError: If the arrays are not as above.

    Example:

    ```python
    import numpy as np
    import keras_sharpness as ks

    x = np.linspace(0.0, 1.0, 20)[:, np.newaxis]
    data = ks.data.SampleData(
        name="sine",
        x_train=x[::2],
        y_train=np.sin(x[::2]),
        x_test=x[1::2],
        y_test=np.sin(x[1::2]),
        source="made here",
    )
    assert data.input_shape == (1,)
    assert data.take(4, seed=0).y_train.shape == (4, 1)
    ```
    """

    name: str
    x_train: np.ndarray  # (num_train, *input_shape)
    y_train: np.ndarray  # (num_train, ...)
    x_test: np.ndarray  # (num_test, *input_shape)
    y_test: np.ndarray  # (num_test, ...)
    source: str
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
        kinds = self.x_train.dtype.kind == "f", self.x_test.dtype.kind == "f"
        if self.x_train.shape[1:] != self.x_test.shape[1:] or len({*kinds}) > 1:
            raise ValueError(
                f"Training and test samples of {self.name!r} must have one "
                "shape, and be floats or whole numbers both. Received: "
                f"x_train.shape={self.x_train.shape}, "
                f"x_test.shape={self.x_test.shape}, dtypes "
                f"{self.x_train.dtype} and {self.x_test.dtype}."
            )
        self._check_targets()

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
            A data set of the same class.

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
        if x.dtype.kind not in "fiu" or x.dtype == np.uint8:
            raise ValueError(
                f"`{field}` of {self.name!r} must be floats, or whole numbers "
                "that stand for words, wider than uint8, which are pixels. "
                f"Received: dtype {x.dtype}. Scale pixels and pass e.g. "
                f'`{field}.astype("float32")`.'
            )
        self._check_finite(field, x)

    def _check_targets(self) -> None:
        for field, x in (("y_train", self.x_train), ("y_test", self.x_test)):
            y = getattr(self, field)
            if y.dtype.kind not in "biuf" or y.shape[:1] != x.shape[:1]:
                raise ValueError(
                    f"`{field}` of {self.name!r} must be numbers, one target "
                    f"for each of the {len(x)} samples, shape ({len(x)}, ...). "
                    f"Received: dtype {y.dtype}, shape {y.shape}."
                )
            self._check_finite(field, y)
        if self.y_train.shape[1:] != self.y_test.shape[1:]:
            raise ValueError(
                f"Training and test targets of {self.name!r} must have one "
                f"shape. Received: y_train.shape={self.y_train.shape}, "
                f"y_test.shape={self.y_test.shape}."
            )

    def _check_finite(self, field: str, values: np.ndarray) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            raise ValueError(
                f"`{field}` of {self.name!r} must be finite. Received: "
                f"{values.size - np.count_nonzero(finite)} NaN or infinite "
                f"values, the first in sample {_first_bad_sample(finite)}."
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
