"""The direction of largest curvature on the samples of largest loss."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.backend import (
    KeptProduct,
    hessian_product,
    naming_layers,
    value_and_gradient,
)
from keras_sharpness.metrics.curvature_products import is_worthwhile
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.loss.half_precision import computes_in_float16
from keras_sharpness.metrics.numerics.basis import DeviceBasis
from keras_sharpness.metrics.numerics.lanczos import Lanczos
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.models.first_call import declared_batch_size

# Of fewer, the hardest are too large a part to save much.
_SMALLEST_PART = 4


@dataclasses.dataclass(frozen=True)
class HardDirection:
    """An approximate top eigenvector of the Hessian on the hardest samples.

    Attributes:
        vector: Array (P,), of length 1.
        value: Float. Its curvature on these samples.
        residual: Float. ‖H u − λ u‖ / |λ| there, not on all data.
        num_products: Int. Products with the Hessian of these samples.
        num_samples: Int. How many they are.
    """

    vector: np.ndarray
    value: float
    residual: float
    num_products: int
    num_samples: int


class HardSamples:
    """Finds where the loss curves most on the samples of largest loss.

    Once a network classifies most of its samples, a few hard ones hold nearly
    all of the loss, and of the large eigenvalues of its Hessian. Lanczos on
    these alone, from the gradient of their loss, costs a fraction of a product
    with all the data, and its vector is a start for a search on all of them.
    It is no more than a start: what it is worth, products with all data tell.

    F1 after four to twelve epochs on 4,000 digits: the 128 hardest of 1,024
    hold more than 99 % of the loss. The gradient, of which the large
    eigenvectors make up most (Gur-Ari, Roberts and Dyer 2018), needs two or
    three products less than a random vector does, and turns with the network,
    which the eigenvectors of the epoch before do not.

    The samples are chosen anew at every search, as many as before, so that
    nothing is compiled anew. The vectors stay on the device, in the dtype of
    the weights.

    Args:
        objective: `Objective` that `applies_to` accepts. Its data are copied.
        num_samples: Int. How many of the hardest.
        max_products: Int. At the most, at least 1.

    Reference:
        Gur-Ari, Roberts and Dyer 2018, https://arxiv.org/abs/1812.04754.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        num_samples: int = 100,
        max_products: int = 6,
    ):
        self._objective = objective
        self._num_samples = num_samples
        self._max_products = max_products
        self._product = KeptProduct(
            objective.point,
            ("hard samples", "product"),
            naming_layers(objective.model, self._hessian_product, twice=True),
        )
        self._data = keras.tree.map_structure(
            lambda *parts: (
                None if parts[0] is None else keras.ops.concatenate(parts)
            ),
            *(tuple(batch[:2]) for batch in objective.batches),
        )

    @staticmethod
    def applies_to(objective: Objective, *, num_samples: int = 100) -> bool:
        """Whether samples of this objective have losses, and searching pays.

        Not with `loss_fn`, several outputs, sample weights, data sets of
        batches, ragged and sparse tensors, batch statistics, models that fix
        the size of a batch, compute in float16 or mix dtypes of weights, nor
        where all products are quick.

        Args:
            objective: `Objective`.
            num_samples: Int. How many of the hardest would be taken.

        Returns:
            Bool.
        """
        model = objective.model
        first = next(iter(objective.batches))
        # Ragged and sparse ones are of another kind.
        dense = type(keras.ops.zeros(()))
        return (
            objective.batch_size is not None
            and objective.loss.function is not None
            and hasattr(first.y, "shape")
            and all(
                isinstance(tensor, dense)
                for tensor in keras.tree.flatten(first.x)
                if tensor is not None
            )
            and first.sample_weight is None
            and _uses_moving_statistics(objective)
            and len(set(objective.layout.dtypes)) == 1
            and not computes_in_float16(model)
            and declared_batch_size(model) is None
            and objective.num_samples >= _SMALLEST_PART * num_samples
            and is_worthwhile(objective.size, objective.num_samples)
        )

    def losses(self) -> np.ndarray:
        """The loss of each sample at the model's weights, Ω left out.

        Returns:
            Array (N,).
        """
        with self._objective.standing_at():
            return self._losses_here()

    def find(self, *, tolerance: float) -> HardDirection | None:
        """Searches at the model's weights.

        Args:
            tolerance: Float. Relative residual at which to stop.

        Returns:
            A `HardDirection`; None where the gradient of these samples is
            zero, or where the direction does not curve upwards.

        Raises:
            FloatingPointError: If a product is not finite.
        """
        with self._objective.standing_at():
            losses = self._losses_here()
            hardest = np.argpartition(losses, -self._num_samples)
            # In order: neighbours in memory are copied faster.
            hardest = np.sort(hardest[-self._num_samples :])
            x, y = keras.tree.map_structure(
                lambda tensor: (
                    None
                    if tensor is None
                    else keras.ops.take(tensor, hardest, axis=0)
                ),
                self._data,
            )
            return self._search(x, y, tolerance)

    def _losses_here(self) -> np.ndarray:
        compiled = self._compile("losses", self._losses)
        parts = [compiled(*batch[:2]) for batch in self._objective.batches]
        return np.concatenate(
            [keras.ops.convert_to_numpy(part) for part in parts]
        )

    def _search(self, x: Any, y: Any, tolerance: float) -> HardDirection | None:
        objective = self._objective
        start = self._compile("gradient", self._gradient)(x, y)
        others = (x, y)
        if self._product.is_costly is None:
            # It is kept in any case; this decides what compiles it.
            self._product.plan(
                [start],
                others,
                batch_size=self._num_samples,
                num_samples=objective.num_samples,
                without=[(objective.size,), *objective.layout.shapes_of(None)],
            )
        hessian = self._product.keep(
            [start], others, batch_size=self._num_samples, room=float("inf")
        )

        def multiply(block: Any) -> Any:
            ((product,),) = hessian.block([[block[:, 0]]])
            return _finite(product)[:, None]

        basis = DeviceBasis(
            self._max_products + 1, dtype=objective.layout.dtype
        )
        lanczos = Lanczos(multiply, basis)
        lanczos.wait(_finite(start)[:, None], is_random=False)
        value = residual = 0.0
        while lanczos.num_waiting and lanczos.num_free:
            lanczos.step(1)
            ritz = lanczos.ritz()
            value, residual = ritz.values[-1], ritz.residuals[-1]
            if residual <= tolerance * abs(value):
                break
        if value <= 0.0:
            return None
        return HardDirection(
            vector=lanczos.vectors(ritz.coordinates[:, -1:])[:, 0],
            value=float(value * lanczos.unit),
            residual=float(residual / value),
            num_products=lanczos.num_vectors,
            num_samples=self._num_samples,
        )

    def _compile(self, name: str, function: Callable) -> Callable:
        objective = self._objective
        return objective.point.compile(
            ("hard samples", name),
            naming_layers(objective.model, function, twice=False),
        )

    def _losses(self, weights, state, x, y):
        with self._objective.batch_loss.forward(
            weights, state, x, y
        ) as forward:
            (predictions,) = keras.tree.flatten(forward.predictions)
            losses = self._objective.loss.of_entries(y, predictions)
            values = keras.ops.cast(losses, self._objective.layout.dtype)
            axes = list(range(1, len(values.shape)))
            # One number for all samples, as a caller's own function may
            # return, leaves the choice among them open.
            return keras.ops.mean(values, axes) + keras.ops.zeros(
                keras.ops.shape(predictions)[:1], values.dtype
            )

    def _gradient(self, weights, state, x, y):
        """The gradient, as one tensor (P,)."""
        differentiate = value_and_gradient(self._objective.batch_loss.value)
        return _flat(differentiate(weights, state, x, y, None, 1.0)[1])

    def _hessian_product(self, weights, state, vector, x, y):
        """The Hessian times a vector, which is one tensor (P,)."""
        layout = self._objective.layout
        tree = [
            keras.ops.reshape(vector[0][place], shape)
            for place, shape in zip(
                layout.slices_of(None).values(),
                layout.shapes_of(None),
                strict=True,
            )
        ]
        multiply = hessian_product(self._objective.batch_loss.value)
        return [_flat(multiply(weights, state, x, y, None, 1.0, tree))]


def _flat(tree: list[Any]) -> Any:
    return keras.ops.concatenate(
        [keras.ops.reshape(tensor, (-1,)) for tensor in tree]
    )


def _finite(vector: Any) -> Any:
    """The vector, unless it holds NaN or infinity, which a sum keeps."""
    if not np.isfinite(float(keras.ops.sum(vector))):
        raise FloatingPointError(
            "A product with the Hessian of the samples of largest loss holds "
            "NaN or infinity."
        )
    return vector


def _uses_moving_statistics(objective: Objective) -> bool:
    return objective.batch_norm == "inference" or not batch_norm_layers(
        objective.model
    )
