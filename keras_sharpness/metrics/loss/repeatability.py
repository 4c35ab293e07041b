"""Whether a model and its data give the same loss when asked twice."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.loss.stateless import model_at
from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


def check_repeats(
    evaluate: Callable[[], tuple[float, np.ndarray]],
    model: keras.Model,
    batches: Batches,
    dtype: str,
) -> None:
    """Evaluates the loss twice and refuses what does not repeat.

    A maximiser or an eigenvalue solver that sees another function at every
    call returns numbers without meaning.

    Args:
        evaluate: Callable without arguments that returns the loss over the
            data and derivatives of it: of a network that is not trained yet
            the loss alone hardly depends on its inputs.
        model: The model.
        batches: The data.
        dtype: Str. That of the weights.

    Raises:
        ValueError: If the two evaluations differ; names the data or the layer
            that differs.
    """
    (f_1, g_1), (f_2, g_2) = evaluate(), evaluate()
    if not np.isfinite(f_1):
        raise ValueError(
            f"The loss of model {model.name!r} on these data is {f_1}. Was the "
            "training stopped after it diverged?"
        )
    # Sums in another order (threads, GPU) differ by rounding, which the square
    # root of the precision leaves ample room for; a reshuffled batch or a
    # random layer changes the leading digits.
    tolerance = np.sqrt(np.finfo(dtype).eps)
    same_value = abs(f_1 - f_2) <= tolerance * max(1.0, abs(f_1))
    scale = max(np.linalg.norm(g_1), tolerance)
    if same_value and np.linalg.norm(g_1 - g_2) <= tolerance * scale:
        return
    found = f"Evaluated twice, the loss is {f_1!r} and {f_2!r}: "
    if not _data_repeat(batches):
        raise ValueError(
            found + "the data set yields other batches at every pass. Leave "
            "out `.shuffle(…)` and random augmentation, or pass arrays."
        )
    layer = _first_random_layer(model, batches)
    culprit = f"layer {layer!r}" if layer else "the model or its loss"
    raise ValueError(
        f"{found}{culprit} gives other values at every call, also with "
        "`training=False`. Take its randomness out to measure the model."
    )


def _data_repeat(batches: Batches) -> bool:
    for first, second in zip(batches, batches, strict=True):
        if any(
            not np.array_equal(a, b)
            for a, b in zip(
                keras.tree.flatten(first),
                keras.tree.flatten(second),
                strict=True,
            )
        ):
            return False
    return True


def _first_random_layer(model: keras.Model, batches: Batches) -> str | None:
    """The innermost first layer whose output differs between two calls."""
    x = next(iter(batches)).x
    runs = []
    for _ in range(2):
        outputs: list[tuple[str, list]] = []
        with _model_as_it_is(model), _recorded(model, outputs):
            model(x, training=False)
        runs.append(outputs)
    for (name, first), (_, second) in zip(*runs, strict=False):
        if any(
            not np.array_equal(a, b) for a, b in zip(first, second, strict=True)
        ):
            return name
    return None


def _model_as_it_is(model: keras.Model):
    return model_at(
        model,
        [keras.ops.convert_to_tensor(v) for v in model.trainable_variables],
        [keras.ops.convert_to_tensor(v) for v in model.non_trainable_variables],
    )


@contextlib.contextmanager
def _recorded(model: keras.Model, outputs: list) -> Iterator[None]:
    """Within the block the outputs of all layers' calls are kept in order."""

    def recorded(call: Callable, *args: Any, name: str, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        values = [np.asarray(t) for t in keras.tree.flatten(result)]
        outputs.append((name, values))
        return result

    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers(include_self=False):
            call = functools.partial(recorded, name=layer.name)
            stack.enter_context(replaced_functions(layer, call=call))
        yield
