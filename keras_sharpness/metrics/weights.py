"""One flat vector for all trainable variables of a model, and back."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments


class WeightLayout:
    """Where each trainable variable lies in the flat vector of all weights.

    The vector concatenates the raveled (C order) variables in the order of
    `model.trainable_variables`; its length is P. It is float64, which holds
    the value of every narrower variable exactly.

    Args:
        model: Built `keras.Model`.

    Attributes:
        size: Int. P, the number of trainable weights.
        shapes: Tuple of shapes, one per trainable variable.
        paths: Tuple of str, the variables' paths, e.g. `"dense/kernel"`.
        slices: Dict. Path to the slice of the vector that holds the variable.
        dtype: Str. The widest dtype among the trainable variables.

    Example:

    ```python
    import keras
    from keras_sharpness.metrics.weights import WeightLayout

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    layout = WeightLayout(model)
    assert layout.size == 3 * 2 + 2
    assert layout.read().shape == (8,)
    ```
    """

    def __init__(self, model: keras.Model):
        self.variables = list(model.trainable_variables)
        if not model.built and not self.variables:
            raise ValueError(
                f"The weights of model {model.name!r} are not built yet. Call "
                "the model on a batch or give it a `keras.Input` first."
            )
        if not self.variables:
            raise ValueError(
                f"Model {model.name!r} has no trainable weights. Set "
                "`trainable=True` on the layers to be measured."
            )
        self.shapes = tuple(tuple(v.shape) for v in self.variables)
        self.paths = tuple(v.path for v in self.variables)
        self.dtypes = tuple(str(v.dtype) for v in self.variables)
        self.dtype = str(np.result_type(*map(_precision, self.dtypes)))
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        self._ends = np.cumsum(sizes)
        self.size = int(self._ends[-1])
        self.slices = self.slices_of(None)

    def read(self) -> np.ndarray:
        """A copy of the model's weights as they are now, (P,) float64."""
        return self.join(
            [
                keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v))
                for v in self.variables
            ]
        )

    def join(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Arrays of the variables' shapes as one (P,) float64 vector."""
        flat = np.empty(self.size)
        for part, array in zip(self.parts(flat), arrays, strict=True):
            part[...] = np.ravel(array)
        return flat

    def parts(self, vector: np.ndarray) -> list[np.ndarray]:
        """Views of the flat vector, one per variable, still flat."""
        return np.split(vector, self._ends[:-1])

    def split(self, vector: np.ndarray) -> list[np.ndarray]:
        """The flat vector as arrays of the variables' shapes and dtypes."""
        return [
            part.reshape(shape).astype(_precision(dtype))
            for part, shape, dtype in zip(
                self.parts(vector), self.shapes, self.dtypes, strict=True
            )
        ]

    def size_of(self, places: Sequence[int] | None) -> int:
        """The number of weights in some of the variables, None for all."""
        if places is None:
            return self.size
        return sum(int(np.prod(self.shapes[place])) for place in places)

    def shapes_of(self, places: Sequence[int] | None) -> list[tuple]:
        """The shapes of some of the variables, None for all."""
        return [self.shapes[place] for place in self._all(places)]

    def dtypes_of(self, places: Sequence[int] | None) -> list[str]:
        """The dtypes of some of the variables, None for all."""
        return [self.dtypes[place] for place in self._all(places)]

    def _all(self, places: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.paths)) if places is None else places

    def slices_of(self, places: Sequence[int] | None) -> dict[str, slice]:
        """Path to slice, in a vector of some of the variables, None for all."""
        slices: dict[str, slice] = {}
        end = 0
        for place in self._all(places):
            # Subclassed models may hold several variables of one path.
            name, copies = self.paths[place], 1
            while name in slices:
                copies += 1
                name = f"{self.paths[place]}#{copies}"
            start, end = end, end + int(np.prod(self.shapes[place]))
            slices[name] = slice(start, end)
        return slices

    def places(
        self, variables: Any, name: str = "variables"
    ) -> tuple[int, ...]:
        """Which variables are meant, as places among the trainable ones.

        Args:
            variables: A variable, a layer, a path such as `"dense/kernel"` or
                a layer's name, or a list of these.
            name: Str. What to call them in an error.

        Returns:
            Tuple of int, ascending.

        Raises:
            ValueError: If one is not among the trainable variables.
        """
        if not isinstance(variables, list | tuple | set):
            variables = [variables]
        found: set[int] = set()
        for item in variables:
            if isinstance(item, str):
                here = {
                    place
                    for place, path in enumerate(self.paths)
                    if f"/{path}/".find(f"/{item}/") >= 0
                }
            else:
                wanted = (
                    item.trainable_variables
                    if isinstance(item, keras.Layer)
                    else [item]
                )
                here = {
                    place
                    for place, variable in enumerate(self.variables)
                    if any(variable is other for other in wanted)
                }
            if not here:
                raise ValueError(
                    f"{getattr(item, 'path', item)!r} is not among the "
                    f"trainable variables. Received: {name}="
                    f"{variables!r}. There are: {', '.join(self.paths)}."
                )
            found |= here
        return tuple(sorted(found))

    def check(self, vector: np.ndarray, name: str = "w") -> np.ndarray:
        """`vector` as (P,) float64.

        Args:
            vector: Array-like (P,), real.
            name: Str. What to call it in an error.

        Returns:
            The vector as a float64 array.

        Raises:
            ValueError: If it has another shape or is not finite.
        """
        vector = arguments.real_array(name, vector)
        if vector.shape != (self.size,):
            raise ValueError(
                f"`{name}` must be a flat vector of the {self.size} trainable "
                f"weights. Received: shape {vector.shape}. `objective.weights` "
                "has the right order and length."
            )
        self._check_finite([vector], name)
        return vector

    def check_own(self, name: str) -> None:
        """Refuses weights of the model that are not finite.

        Without a copy: 33 million weights in float64 take a second.

        Args:
            name: Str. What to call the model in an error.

        Raises:
            ValueError: If some are not.
        """
        self._check_finite(
            [
                np.asarray(keras.ops.convert_to_tensor(v))
                for v in self.variables
            ],
            name,
        )

    def _check_finite(self, arrays: Sequence[np.ndarray], name: str) -> None:
        # One after the other, which lets the memory serve again.
        finite = sum(np.count_nonzero(np.isfinite(array)) for array in arrays)
        if finite < self.size:
            raise ValueError(
                f"`{name}` holds NaN or infinity in {self.size - finite} of "
                f"{self.size} entries. Was the training stopped after it "
                "diverged?"
            )


def check_state(model: keras.Model, state: Any) -> None:
    """Refuses what cannot stand for a model's non-trainable variables.

    Args:
        model: `keras.Model`.
        state: List of arrays or tensors.

    Raises:
        ValueError: If these are not as many, or of other shapes.
    """
    arguments.instance("state", state, list | tuple, "a list of arrays")
    wanted = [tuple(v.shape) for v in model.non_trainable_variables]
    found = [tuple(getattr(value, "shape", ())) for value in state]
    if found != wanted:
        raise ValueError(
            "`state` must hold an array for each of the "
            f"{len(wanted)} variables in `model.non_trainable_variables`, in "
            f"its shape. Received: {len(found)}, shapes {found[:5]}."
        )


def _precision(dtype: str) -> np.dtype:
    # NumPy has no bfloat16; float32 holds every bfloat16 exactly.
    return np.dtype("float32" if dtype == "bfloat16" else dtype)
