"""Random directions as long as the weights they start from."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, endpoint
from keras_sharpness.landscape.filters import (
    filter_axes,
    is_bias_or_norm,
    owner_of,
)
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.operators import check_objective

Normalization = Literal["filter", "layer", "weight", "none"]
Ignore = Literal["bias-and-norm", "none"]


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
      output channel, unit, gate or token (`filters.filter_axes`);
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
