"""The direction of largest curvature on the samples of largest loss."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.linalg import eigh_tridiagonal

from keras_sharpness.metrics.backend import (
    hessian_product,
    value_and_gradient,
)
from keras_sharpness.metrics.backend.tensorflow.differentiability import (
    naming_layers,
)
from keras_sharpness.metrics.backend.tensorflow.fusion import gains_from_fusion
from keras_sharpness.metrics.backend.tensorflow.two_stages import TwoStages
from keras_sharpness.metrics.curvature_products import is_worthwhile
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.loss.half_precision import computes_in_float16
from keras_sharpness.metrics.numerics.lanczos_step import (
    lanczos_step,
    unit_vector,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.models.first_call import declared_batch_size

# Of fewer, the hardest are too large a part to save much.
_SMALLEST_PART = 4


@dataclasses.dataclass(frozen=True)
class HardDirection:
    """An approximate top eigenvector of the Hessian on the hardest samples.

    Attributes:
        vector: Array (P,), of length 1; the next search overwrites it.
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
        first = next(iter(objective._batches))
        # As for products with all data, whose function this is.
        self._fuses = gains_from_fusion(
            objective._gradient_of_batch().get_concrete_function(
                *first[:3], objective._share(first)
            )
        )
        self._stages: TwoStages | None = None
        self._total = np.empty(objective.size)
        self._data = keras.tree.map_structure(
            lambda *parts: None if parts[0] is None else tf.concat(parts, 0),
            *(tuple(batch[:3]) for batch in objective._batches),
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
        first = next(iter(objective._batches))
        return (
            objective.batch_size is not None
            and objective.loss.function is not None
            and hasattr(first.y, "shape")
            and all(
                isinstance(tensor, tf.Tensor)
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
        with self._objective._at(None):
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
        with self._objective._at(None):
            losses = self._losses_here()
            hardest = np.argpartition(losses, -self._num_samples)
            # In order: neighbours in memory are copied faster.
            hardest = np.sort(hardest[-self._num_samples :])
            others = [
                tf.gather(tensor, hardest)
                for tensor in keras.tree.flatten(self._data)
                if tensor is not None
            ]
            return self._search(others, tolerance)

    def _losses_here(self) -> np.ndarray:
        compiled = self._compile("losses", self._losses)
        parts = [compiled(*batch[:2]) for batch in self._objective._batches]
        return np.concatenate([np.asarray(part) for part in parts])

    def _search(
        self, others: list[Any], tolerance: float
    ) -> HardDirection | None:
        if self._stages is None:
            self._stages = self._cut_step(others)
        kept = self._stages.first(others)
        gradient = [kept.pop() for _ in self._objective.layout.shapes][::-1]
        *vector, length = self._compile("start", _start)(gradient)
        if not float(length):
            return None
        last, beta = self._zeros, tf.zeros_like(length)
        basis, diagonal, beside = [], [], []
        for _ in range(self._max_products):
            basis.append(vector)
            (step,) = self._stages.second(kept, [[*vector, *last, beta]])
            *vector, alpha, beta = step
            last = basis[-1]
            diagonal.append(float(alpha))
            beside.append(float(beta))
            if not np.isfinite(diagonal[-1] + beside[-1]):
                raise FloatingPointError(
                    "A product with the Hessian of the samples of largest loss "
                    "holds NaN or infinity."
                )
            values, coordinates = eigh_tridiagonal(diagonal, beside[:-1])
            value, weights = values[-1], coordinates[:, -1]
            residual = abs(beside[-1] * weights[-1])
            if residual <= tolerance * abs(value):
                break
        if value <= 0.0:
            return None
        return HardDirection(
            vector=self._combine(weights, basis),
            value=float(value),
            residual=float(residual / value),
            num_products=len(diagonal),
            num_samples=self._num_samples,
        )

    def _combine(
        self, weights: np.ndarray, basis: list[list[Any]]
    ) -> np.ndarray:
        # Always the same: new pages take as long as the sums.
        total = self._total
        # One variable at a time, which stays in the cache.
        for place, part in enumerate(self._objective.layout.parts(total)):
            rows = [np.ravel(row[place]) for row in basis]
            # In the vectors' own dtype: the errors are those they have.
            mixed = rows[0] * float(weights[0])
            scaled = np.empty_like(mixed)
            for weight, row in zip(weights[1:], rows[1:], strict=True):
                np.multiply(row, float(weight), out=scaled)
                mixed += scaled
            part[...] = mixed
        return total

    def _cut_step(self, others: list[Any]) -> TwoStages:
        step = self._compile("step", self._step)
        layout = self._objective.layout
        vector = self._zeros = [
            tf.zeros(shape, dtype)
            for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True)
        ]
        concrete = step.get_concrete_function(
            vector,
            vector,
            tf.zeros((), vector[0].dtype),
            *self._batch(others),
        )
        return TwoStages(
            concrete,
            2 * len(vector) + 1,
            jit_compile=self._fuses,
            num_first=len(vector),
        )

    def _compile(self, name: str, function: Any) -> Any:
        objective = self._objective
        return objective._point.compile(
            ("hard samples", name),
            naming_layers(objective.model, function, twice=name == "step"),
            # The step is cut in two first, and XLA gets the second part.
            jit_compile=name != "step" and self._fuses,
        )

    def _batch(self, others: list[Any]) -> tuple:
        """The gathered tensors, nested as a batch."""
        rest = iter(others)
        return tuple(
            keras.tree.map_structure(
                lambda tensor: None if tensor is None else next(rest), part
            )
            for part in self._data[:2]
        )

    def _losses(self, weights, state, x, y):
        with self._objective._batch_loss.forward(
            weights, state, x, y
        ) as forward:
            (predictions,) = keras.tree.flatten(forward.predictions)
            losses = self._objective.loss.of_entries(y, predictions)
            values = tf.cast(losses, self._objective.layout.dtype)
            axes = list(range(1, len(values.shape)))
            # One number for all samples, as a caller's own function may
            # return, leaves the choice among them open.
            return tf.reduce_mean(values, axes) + tf.zeros(
                [tf.shape(predictions)[0]], values.dtype
            )

    def _step(self, weights, state, vector, last, beta, x, y):
        """A step of Lanczos, and the gradient, which all steps share."""
        loss = self._objective._batch_loss.value
        here = (weights, state, x, y, None, 1.0)
        product = hessian_product(loss)(*here, vector)
        step = lanczos_step(product, vector, last, beta)
        return *step, *value_and_gradient(loss)(*here)[1]


def _start(weights, state, gradient):
    del weights, state
    return unit_vector(gradient)


def _uses_moving_statistics(objective: Objective) -> bool:
    return objective.batch_norm == "inference" or not batch_norm_layers(
        objective.model
    )
