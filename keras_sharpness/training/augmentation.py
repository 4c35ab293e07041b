"""Layers that change the inputs of each batch while a model is trained."""

from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.fingerprint.architecture import describe_object
from keras_sharpness.models.first_call import CALL_FAILURES
from keras_sharpness.reasons import short_reason

# They mix the targets as well, which a change of the inputs alone would leave
# wrong.
_MIXING = (keras.layers.CutMix, keras.layers.MixUp)


class Augmentation:
    """Keras layers, one after the other, in training mode.

    Args:
        layers: `keras.layers.Layer`, or a sequence of them. They are called
            on what the model gets as x.
        x: Array or nest of arrays (n, ...), the first few samples, on which
            they are tried.

    Attributes:
        layers: List of `keras.layers.Layer`.
        variables: List of `keras.Variable`, the states of their random
            generators.

    Raises:
        ValueError: If something is no layer, is to be trained itself, or does
            not return what the model can take in the place of x.
    """

    def __init__(self, layers: Any, x: Any):
        if isinstance(layers, keras.layers.Layer):
            layers = [layers]
        if not (isinstance(layers, list | tuple) and layers) or not all(
            isinstance(layer, keras.layers.Layer) for layer in layers
        ):
            raise arguments.refuse(
                "augmentation",
                layers,
                "a Keras layer or a list of them",
                "Pass e.g. `augmentation=keras.layers.RandomFlip()`.",
            )
        self.layers = list(layers)
        for layer in self.layers:
            if isinstance(layer, _MIXING):
                raise ValueError(
                    f"`augmentation` changes inputs alone. Received: "
                    f"{type(layer).__name__}, which mixes targets as well. "
                    "Leave it out."
                )
        self._check_outputs(x)
        for layer in self.layers:
            if layer.trainable_variables:
                raise ValueError(
                    "`augmentation` is not trained. Received: "
                    f"{type(layer).__name__} with trainable weights. Put it "
                    "into the model, or set `layer.trainable = False`."
                )
        self.variables = [v for layer in self.layers for v in layer.variables]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The layers as JSON, without their seeds, which training sets."""
        return [_without_seeds(describe_object(layer)) for layer in self.layers]

    def __call__(self, x: Any) -> Any:
        """The inputs that the model is trained on.

        Args:
            x: Tensor or nest of tensors (n, ...).

        Returns:
            The same nest, changed.
        """
        changed = x
        for layer in self.layers:
            changed = layer(changed, training=True)
        return changed

    def _check_outputs(self, x: Any) -> None:
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        try:
            changed = self(tensors)
            keras.tree.assert_same_structure(changed, x)
        except CALL_FAILURES as error:
            raise ValueError(
                "`augmentation` cannot be called on x. Received: "
                f"{', '.join(type(v).__name__ for v in self.layers)} for "
                f"{_shapes(x)}. {short_reason(error)}"
            ) from error
        if _shapes(changed) != _shapes(x):
            raise ValueError(
                "`augmentation` must leave the shape of x as it is. Received: "
                f"{_shapes(changed)} in the place of {_shapes(x)}. Take "
                "layers that do, or resize the data first."
            )


def _shapes(nest: Any) -> str:
    return ", ".join(
        f"shape {tuple(leaf.shape)}" for leaf in keras.tree.flatten(nest)
    )


def _without_seeds(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {
            name: _without_seeds(value)
            for name, value in settings.items()
            if name != "seed"
        }
    if isinstance(settings, list):
        return [_without_seeds(value) for value in settings]
    return settings
