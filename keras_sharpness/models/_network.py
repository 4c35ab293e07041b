"""What the six networks share: checks, compilation, configuration."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras

from keras_sharpness import arguments
from keras_sharpness.models._blocks import Blocks


class Network(keras.Model):
    """Base of the networks of Keskar et al. (2017).

    Builds the functional graph input -> `body` -> logits, so that the model
    is built and saves by its configuration, and compiles it as the paper
    trains: Adam on the mean cross-entropy.

    Args:
        body: Callable `body(blocks, x)` that adds the hidden layers to the
            symbolic tensor `x` with the help of `blocks`, a `Blocks`.
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


def checked_image_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    """`input_shape` if it is one of an image; `ValueError` if not."""
    shape = _checked_input_shape(input_shape)
    if len(shape) != 3:
        raise ValueError(
            "`input_shape` must be (height, width, channels) for a "
            f"convolutional network. Received: input_shape={input_shape}. "
            "Pass e.g. `input_shape=(32, 32, 3)`, or (28, 28, 1) for grey "
            "images."
        )
    return shape


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
