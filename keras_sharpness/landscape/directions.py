"""Random directions as long as the weights they start from."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, endpoint
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.operators import check_objective

# Their kernels end in (input channels, multiplier), one filter for each pair.
_DEPTHWISE = (
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)
Normalization = Literal["filter", "layer", "weight", "none"]
Ignore = Literal["bias-and-norm", "none"]


def owner_of(model: keras.Model, variable: keras.Variable) -> keras.Layer:
    """The layer of `model`, nested ones included, that holds `variable`.

    Args:
        model: Built `keras.Model`.
        variable: One of its trainable variables.

    Returns:
        A `keras.Layer`.
    """
    return next(
        layer
        for layer in model._flatten_layers()
        if any(variable is own for own in layer._trainable_variables)
    )


def is_bias_or_norm(layer: keras.Layer, variable: keras.Variable) -> bool:
    """Whether Li et al. leave the weight out of their directions.

    Biases, the parameters of normalisation layers, and all else that has one
    dimension or none. A bias may have two: that of a GRU, or of attention.

    Args:
        layer: The `keras.Layer` that holds it.
        variable: The weight.

    Returns:
        Bool.
    """
    return (
        len(variable.shape) <= 1
        or isinstance(layer, _NORMALIZATIONS)
        or "bias" in variable.name
    )


def filter_axes(layer: keras.Layer, variable: keras.Variable) -> tuple:
    """The axes of a weight that count its filters, one per output unit.

    What is left when these are fixed is one filter: the weights that produce
    one channel of a convolution, one unit of a dense layer, one gate of one
    recurrent unit, or the vector of one token of an embedding. Keras keeps
    output units last but for transposed convolutions (before the input
    channels), depthwise ones (with them), embeddings (first) and
    `EinsumDense`, whose equation tells.

    Args:
        layer: The `keras.Layer` that holds the weight.
        variable: The weight, of two dimensions or more.

    Returns:
        Tuple of int, none of them negative, ascending.
    """
    last = len(variable.shape) - 1
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_axes(layer.equation, last + 1)
    if isinstance(layer, keras.layers.Embedding):
        reverse = variable is getattr(layer, "reverse_embeddings", None)
        return (last,) if reverse else (0,)
    if isinstance(layer, _TRANSPOSED):
        return (last - 1,)
    if isinstance(layer, _DEPTHWISE) and "pointwise" not in variable.name:
        return (last - 1, last)
    return (last,)


def _einsum_axes(equation: str, num_axes: int) -> tuple:
    inputs, output = equation.replace(" ", "").split("->")
    kernel = inputs.split(",")[1]
    axes = tuple(i for i, letter in enumerate(kernel) if letter in output)
    # A layer that sums over all of its kernel has one output, one filter.
    return axes if len(kernel) == num_axes else (num_axes - 1,)


def random_directions(
    objective: Objective,
    center: Point | None = None,
    *,
    num_directions: int = 1,
    normalization: Normalization = "filter",
    ignore: Ignore = "bias-and-norm",
    layers: Any = None,
    seed: int = 0,
) -> np.ndarray:
    """Gaussian directions, scaled to the weights around which one looks.

    d ~ N(0, 1) in every weight; then, with θ the weights at the centre,

    - `"filter"`: `dᵢ ← dᵢ ‖θᵢ‖ ∕ ‖dᵢ‖` for every filter i: the weights of one
      output channel, unit, gate or token (`filter_axes`);
    - `"layer"`: the same for every variable as a whole;
    - `"weight"`: `d ← d θ` entry by entry;
    - `"none"`: d stays as it is.

    As Li et al. do, biases and the parameters of normalisation layers do not
    move; with `ignore="none"` they do, each variable as one filter. The filter
    normalisation takes the scale freedom of ReLU networks out of the picture:
    where rescaled layers compute the same function, they show the same loss.

    Args:
        objective: `Objective`.
        center: `keras.Model`, path of a `.keras` file, or array (P,); the
            objective's own model when left out.
        num_directions: Int. The first ones are the same for any number.
        normalization: Str. As above.
        ignore: Str. `"bias-and-norm"` or `"none"`.
        layers: A layer, a layer's name, a variable or its path, or a list of
            these: all other weights do not move. All by default.
        seed: Int.

    Returns:
        Array (num_directions, P).

    Raises:
        ValueError: For options out of range, and if no weight would move.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import random_directions

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 2)), loss="mse")
    (direction,) = random_directions(objective)
    kernel, bias = objective.layout.split(direction)
    lengths = np.linalg.norm(model.layers[0].kernel.numpy(), axis=0)
    assert np.allclose(np.linalg.norm(kernel, axis=0), lengths)
    assert not bias.any()
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, section 4, and
        https://github.com/tomgoldstein/loss-landscape for biases and modes.
    """
    num_directions = arguments.integer(
        "num_directions", num_directions, least=1
    )
    weights = check_objective(objective).weights
    if center is not None:
        weights = endpoint(center, "center", objective).weights
    draw = direction_sampler(
        objective,
        weights,
        normalization=normalization,
        ignore=ignore,
        layers=layers,
        seed=seed,
    )
    return np.stack([draw(index) for index in range(num_directions)])


def direction_sampler(
    objective: Objective,
    weights: np.ndarray,
    *,
    normalization: Normalization,
    ignore: Ignore,
    layers: Any,
    seed: int,
) -> Callable[[int], np.ndarray]:
    """What draws direction number i, for those who need one at a time.

    Args:
        objective: `Objective`.
        weights: Array (P,), θ.
        normalization: Str. As in `random_directions`.
        ignore: Str.
        layers: As in `random_directions`.
        seed: Int.

    Returns:
        Callable from an int to an array (P,).

    Raises:
        ValueError: As `random_directions`.
    """
    check_options(normalization, ignore, seed)
    layout, model = objective.layout, objective.model
    chosen = range(len(layout.paths))
    if layers is not None:
        chosen = layout.places(layers, "layers")
    axes: dict[int, tuple[int, ...]] = {}
    for place in chosen:
        variable = layout.variables[place]
        layer = owner_of(model, variable)
        if not is_bias_or_norm(layer, variable):
            axes[place] = filter_axes(layer, variable)
        elif ignore == "none":
            axes[place] = ()
    if not any(
        weights_of.any() for weights_of in _parts(layout, weights, axes)
    ):
        raise ValueError(
            "No weight would move: those chosen are biases, parameters of "
            f"normalisation layers, or zero. Received: layers={layers!r}, "
            f"ignore={ignore!r}. Pass `ignore='none'` or other `layers`."
        )

    def draw(index: int) -> np.ndarray:
        # Every direction has a stream of its own, so that more of them, and
        # other options, keep those there were.
        gaussian = np.random.default_rng([seed, index]).standard_normal(
            layout.size
        )
        direction = np.zeros(layout.size)
        parts = zip(
            layout.parts(direction),
            layout.parts(gaussian),
            layout.parts(weights),
            layout.shapes,
            strict=True,
        )
        for place, (out, d, theta, shape) in enumerate(parts):
            if place in axes:
                out[:] = _scaled(
                    d.reshape(shape),
                    theta.reshape(shape),
                    normalization,
                    axes[place],
                ).ravel()
        return direction

    return draw


def check_options(normalization: str, ignore: str, seed: int) -> None:
    """Raises a ValueError for an option that `random_directions` lacks."""
    arguments.one_of("normalization", normalization, Normalization)
    arguments.one_of("ignore", ignore, Ignore)
    arguments.seed(seed)


def _parts(layout: Any, weights: np.ndarray, places: Any) -> list[np.ndarray]:
    parts = layout.parts(weights)
    return [parts[place] for place in places]


def _scaled(
    d: np.ndarray,
    theta: np.ndarray,
    normalization: str,
    axes: tuple[int, ...],
) -> np.ndarray:
    if normalization == "none":
        return d
    if normalization == "weight":
        return d * theta
    kept = axes if normalization == "filter" else ()
    over = tuple(axis for axis in range(d.ndim) if axis not in kept)
    lengths = [
        np.sqrt(np.sum(np.square(a), axis=over, keepdims=True))
        for a in (theta, d)
    ]
    return d * (lengths[0] / lengths[1])
