"""What the networks share: layer groups, checks, compilation, saving."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import numpy as np

from keras_sharpness import arguments


class Blocks:
    """Adds named groups of layers to a functional graph.

    Every layer gets the same dtype policy, and seeds of its own if there is
    a seed. Images are channels-last whatever Keras' global setting.

    Args:
        policy: The `keras.DTypePolicy` of all layers.
        seed: Integer, or `None`: Keras' global seed decides.
    """

    def __init__(self, *, policy: Any, seed: int | None) -> None:
        self._policy = policy
        self._generator = None if seed is None else np.random.default_rng(seed)

    def dense(self, x: Any, units: int, *, name: str) -> Any:
        """Dense - batch normalisation - ReLU, (batch, units)."""
        x = keras.layers.Dense(
            units,
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name=name,
        )(x)
        return self._normalized_relu(x, name=name)

    def plain_dense(self, x: Any, units: int, *, name: str) -> Any:
        """Dense - ReLU, (batch, units)."""
        x = keras.layers.Dense(
            units,
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name=name,
        )(x)
        return keras.layers.ReLU(dtype=self._policy, name=f"{name}_relu")(x)

    def convolution(
        self, x: Any, filters: int, kernel_size: int, *, name: str
    ) -> Any:
        """Convolution of stride 1 - batch normalisation - ReLU, same size."""
        x = keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name=name,
        )(x)
        return self._normalized_relu(x, name=name)

    def max_pool(self, x: Any, pool_size: int, *, name: str) -> Any:
        """Largest value of each window, at every second pixel."""
        return keras.layers.MaxPooling2D(
            pool_size,
            strides=2,
            padding="same",
            data_format="channels_last",
            dtype=self._policy,
            name=name,
        )(x)

    def dropout(self, x: Any, rate: float, *, name: str) -> Any:
        """Dropout of the share `rate`."""
        return keras.layers.Dropout(
            rate, seed=self._next_seed(), dtype=self._policy, name=name
        )(x)

    def flatten(self, x: Any) -> Any:
        """One feature vector per sample."""
        return keras.layers.Flatten(
            data_format="channels_last", dtype=self._policy, name="flatten"
        )(x)

    def logits(self, x: Any, num_classes: int) -> Any:
        """The last layer: linear, without softmax."""
        return keras.layers.Dense(
            num_classes,
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name="logits",
        )(x)

    def _normalized_relu(self, x: Any, *, name: str) -> Any:
        x = keras.layers.BatchNormalization(
            axis=-1, dtype=self._policy, name=f"{name}_normalization"
        )(x)
        return keras.layers.ReLU(dtype=self._policy, name=f"{name}_relu")(x)

    def _glorot_uniform(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=self._next_seed())

    def _next_seed(self) -> int | None:
        if self._generator is None:
            return None
        return int(self._generator.integers(2**31))


class Network(keras.Model):
    """Base of the networks of Keskar et al. (2017), and of a small one.

    Builds the functional graph input -> `body` -> logits, so that the model
    is built and saves by its configuration, and compiles it as the paper
    trains: Adam on the mean cross-entropy.

    Each network names in its header a `body`, a callable `body(blocks, x)` that
    adds the hidden layers to the symbolic tensor `x` with the help of `blocks`,
    a `Blocks`, and the defaults of `num_classes` and `input_shape`.

    Args:
        body: Callable, as above.
        num_classes: Integer, at least 2. The number of logits.
        input_shape: Tuple of integers, the shape of one sample.
        seed: Integer, or `None` for start weights and dropout masks that
            follow Keras' global seed.
        dtype: Dtype policy of all layers; `None` is Keras' global one.
        compile: Boolean. Whether the model comes compiled.
        **kwargs: `name` and `trainable`, passed to `keras.Model`.
    """

    def __init__(
        self,
        body: Callable[[Blocks, Any], Any],
        *,
        num_classes: int,
        input_shape: Sequence[int],
        seed: int | None,
        dtype: Any,
        compile: bool = True,
        **kwargs: Any,
    ) -> None:
        num_classes = arguments.integer("num_classes", num_classes, least=2)
        input_shape = _checked_input_shape(input_shape)
        seed = None if seed is None else arguments.seed(seed)
        arguments.boolean("compile", compile)
        arguments.text("name", kwargs.get("name"), optional=True)
        try:
            policy = keras.dtype_policies.get(dtype)
        except (TypeError, ValueError) as error:
            raise arguments.refuse(
                "dtype", dtype, "a dtype or a keras.DTypePolicy"
            ) from error

        blocks = Blocks(policy=policy, seed=seed)
        # The default input would cut float64 samples to float32.
        inputs = keras.Input(input_shape, dtype=policy.compute_dtype)
        outputs = blocks.logits(body(blocks, inputs), num_classes)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        self.dtype_policy = policy
        self.num_classes = num_classes
        self.seed = seed
        if compile:
            self.compile(
                optimizer="adam",
                loss=keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True
                ),
                metrics=["accuracy"],
            )

    def __init_subclass__(
        cls,
        *,
        body: Callable[[Blocks, Any], Any] | None = None,
        num_classes: int = 0,
        input_shape: tuple[int, ...] = (),
        **kwargs: Any,
    ) -> None:
        """Gives a network its constructor; other subclasses inherit one."""
        super().__init_subclass__(**kwargs)
        if body is None:
            return

        def __init__(
            self: Network,
            num_classes: int = num_classes,
            input_shape: Sequence[int] = input_shape,
            *,
            seed: int | None = None,
            dtype: Any = None,
            name: str | None = None,
            **kwargs: Any,
        ) -> None:
            Network.__init__(
                self,
                body,
                num_classes=num_classes,
                input_shape=input_shape,
                seed=seed,
                dtype=dtype,
                name=name,
                **kwargs,
            )

        cls.__init__ = __init__

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same network, in JSON's types."""
        return {
            "num_classes": self.num_classes,
            "input_shape": self.input_shape[1:],
            "seed": self.seed,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The network of that configuration, not compiled.

        Args:
            config: Dict, as returned by `get_config`.

        Returns:
            The network, with new start weights.
        """
        # `load_model` compiles by itself, unless told not to; an optimizer
        # that is there before would be given weights that do not fit it.
        return cls(**config, compile=False)


def check_image_shape(input_shape: tuple[int | None, ...]) -> None:
    """Raises a `ValueError` for a shape that is not one of an image."""
    if len(input_shape) != 3:
        raise ValueError(
            "`input_shape` must be (height, width, channels) for a "
            f"convolutional network. Received: input_shape={input_shape}. "
            "Pass e.g. `input_shape=(32, 32, 3)`, or (28, 28, 1) for grey "
            "images."
        )


def _checked_input_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    # A layer of fixed size stands behind every input.
    must = "a tuple of positive integers, the shape of one sample"
    remedy = "Pass e.g. `x_train.shape[1:]`."
    if not isinstance(input_shape, list | tuple) or not input_shape:
        raise arguments.refuse("input_shape", input_shape, must, remedy)
    try:
        return tuple(
            arguments.integer("input_shape", size, least=1)
            for size in input_shape
        )
    except ValueError as error:
        raise arguments.refuse(
            "input_shape", input_shape, must, remedy
        ) from error
