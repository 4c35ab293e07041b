"""The loss of a model as a function of its weights."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.metrics.backend import (
    EvaluationPoint,
    naming_layers,
    value_and_gradient,
)
from keras_sharpness.metrics.batches import Batch, Batches
from keras_sharpness.metrics.curvature import Curvature, Matrix
from keras_sharpness.metrics.curvature_products import (
    CurvatureProducts,
    KeptMaps,
)
from keras_sharpness.metrics.evaluation import Evaluation
from keras_sharpness.metrics.flat_arrays import (
    ReusedMemory,
    add,
    as_rows,
    fill,
)
from keras_sharpness.metrics.loss.batch_loss import (
    BatchLoss,
    LossFunction,
    build_on,
)
from keras_sharpness.metrics.loss.batch_norm import (
    BatchNormMode,
    batch_norm_layers,
    check_mode,
)
from keras_sharpness.metrics.loss.data_checks import check_masked
from keras_sharpness.metrics.loss.half_precision import (
    loss_scale,
    vector_scales,
)
from keras_sharpness.metrics.loss.losses import specification_for
from keras_sharpness.metrics.loss.recalibration import Recalibration
from keras_sharpness.metrics.loss.repeatability import check_repeats
from keras_sharpness.metrics.model_structure import ModelStructure
from keras_sharpness.metrics.points import (
    HeldWeights,
    MovedWeights,
    PackedWeights,
)
from keras_sharpness.metrics.process_bound import ProcessBound, check_process
from keras_sharpness.metrics.weights import WeightLayout, check_state
from keras_sharpness.models.first_call import declared_batch_size, is_built


class Objective(ProcessBound):
    """The loss over a data set as a function of the trainable weights.

    `f(w) = (1/N) Σᵢ sᵢ ℓᵢ(w) + Ω(w)`: the mean over N samples of the loss ℓ
    with sample weights s (1 when there are none), plus the model's
    regularisation and `add_loss` terms Ω. This is what `model.evaluate(x, y)`
    reports as the loss, with the same `batch_size`. A short last batch counts
    by its size, and sums over batches are float64 whatever the model's dtype.

    The model is only read: its weights, its moving statistics, its seed
    generators and what `compile` made are the same before and after, also
    after an exception. Dropout is off.

    What is compiled stands for the model as it was when the objective was made.
    Weights and state are read anew; once layers are frozen, unfrozen, added,
    quantised or of another dtype, every use is refused. A model that is
    compiled with another loss is measured with the one of before, and other
    attributes, such as the strength of a regulariser, count as they were when
    they were first needed: make a new `Objective` after such a change.

    An objective may be used from several threads, one after the other. It stays
    in its process: `pickle` and `copy.deepcopy` refuse it.

    Args:
        model: `keras.Model` on the TensorFlow backend. One that is not built
            gets its weights here, as the first batch of `fit` would give them.
        x: Array (N, ...) of numbers or texts, ragged or sparse tensor, or
            dict, list or tuple of them; or a `tf.data.Dataset` or
            `keras.utils.PyDataset` of batches. NaN may stand in x and y where
            model and loss mask it.
        y: Array of targets; left out where `x` brings them.
        sample_weight: Array (N,) of weights sᵢ.
        class_weight: Dict of class number to weight, as in `model.fit`, in
            the place of sample weights.
        loss: Str, callable or `keras.losses.Loss`, or a dict or list of them
            for several outputs. The one given to `model.compile` when left
            out, or what `add_loss` collects where there is none.
        loss_fn: Callable `(model, batch)` in the place of `loss`, for what
            only a custom `train_step` knows: it calls the model and returns
            the mean loss, a scalar, or the losses of the samples, (n,). A
            batch is what the data yield: x, (x, y) or (x, y, sample_weight).
        batch_size: Int. Samples evaluated at once, for arrays. When left out,
            that which the model's inputs fix, or 500. It changes the value as
            it changes that of `model.evaluate`: with `batch_norm="batch"`,
            where masks and ignored classes leave entries out (each batch is
            divided by the entries that count in it), and where a loss or
            `add_loss` sees the samples of a batch together.
        regularization: Bool. Whether Ω is part of f.
        batch_norm: Str. `"inference"` uses the moving statistics, `"batch"`
            each batch's own (as Keskar et al. do), `"recalibrate"`
            re-estimates the moving statistics at every evaluated point; its
            derivatives hold the re-estimated statistics fixed.
        calibration: Another `Objective` of the same model, on whose data
            `"recalibrate"` estimates the statistics: the training data, when
            this objective is that of the test data. Its own data by default.
        block_size: Int. Vectors that share what is computed of a batch, where
            it is not kept.
        keep_activations: Bool. Whether a curvature operator keeps, from one
            product to the next, the activations and first derivatives of the
            data at its point: a fifth to a third of the time of a product. It
            takes up to a quarter of the free memory, for as long as the
            operator lives. Where arrays and network are large when left out.
        check_repeatability: Bool. Whether to evaluate twice at construction
            and to refuse data or layers that do not repeat.

    Attributes:
        model: The model.
        size: Int. P, the number of trainable weights.
        loss: `LossSpecification` of ℓ.
        num_samples: Int. N.
        batch_size: Int, or None for a data set of batches.
        batch_norm: Str. The mode.
        regularization: Bool.

    Raises:
        ValueError: For data that do not fit the loss or the model, NaN in the
            weights, NaN in the data that neither model nor loss masks, or no
            loss.
        RuntimeError: By all methods, once the model has changed; and in a fork
            of the process that made an `Objective`.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    x, y = np.eye(3), np.ones((3, 1))
    objective = ks.Objective(model, x, y, loss="mse")
    loss, gradient = objective.value_and_gradient()
    assert gradient.shape == (objective.size,) == (4,)
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, section 2.3, and
        the authors' code for the batch statistics.
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        loss: Any = None,
        loss_fn: LossFunction | None = None,
        batch_size: int | None = None,
        regularization: bool = True,
        batch_norm: BatchNormMode = "inference",
        calibration: "Objective | None" = None,
        block_size: int = 8,
        keep_activations: bool | None = None,
        check_repeatability: bool = True,
    ):
        check_process()
        self.model = model = arguments.instance(
            "model",
            model,
            keras.Model,
            "a keras.Model",
            "Wrap layers in `keras.Sequential`.",
        )
        data = functools.partial(
            Batches,
            x,
            y,
            sample_weight=sample_weight,
            class_weight=class_weight,
        )
        if not is_built(model):
            batches = data(batch_size=batch_size, dtype=model.variable_dtype)
            build_on(batches, model, loss_fn)
        self.layout = WeightLayout(model)
        self.size = self.layout.size
        self.regularization = arguments.boolean(
            "regularization", regularization
        )
        arguments.boolean("check_repeatability", check_repeatability)
        if keep_activations is not None:
            arguments.boolean("keep_activations", keep_activations)
        block_size = arguments.integer("block_size", block_size, least=1)
        if calibration is not None:
            arguments.instance(
                "calibration", calibration, Objective, "an Objective"
            )
        self.batch_norm = check_mode(batch_norm, model)
        self.loss = specification_for(model, loss, loss_fn)
        self._structure = ModelStructure(
            model, reads_trainable=self.batch_norm != "inference"
        )
        self._batch_loss = BatchLoss(
            model,
            self.loss,
            is_compiled=loss is None,
            regularization=self.regularization,
            batch_norm=self.batch_norm,
            loss_fn=loss_fn,
        )
        self.layout.check_own(f"model {model.name!r}")
        self._batches = data(batch_size=batch_size, dtype=self.layout.dtype)
        declared = declared_batch_size(model)
        if (
            batch_size is None
            and declared is not None
            and self._batches.batch_size is not None
            and not self._batch_loss.runs_on(next(iter(self._batches)))
        ):
            self._batches = data(batch_size=declared, dtype=self.layout.dtype)
        self.batch_size = self._batches.batch_size
        self._point = EvaluationPoint(
            self.layout.variables, model.non_trainable_variables
        )
        self.num_samples = self._batch_loss.check(self._batches)
        self._packing = PackedWeights(self.layout)
        self._evaluation = Evaluation(
            self._batch_loss, self._point, self._packing
        )
        self._products = CurvatureProducts(
            model,
            batch_loss=self._batch_loss,
            layout=self.layout,
            point=self._point,
            num_samples=self.num_samples,
            block_size=block_size,
            keep_activations=keep_activations,
            in_memory=self.batch_size is not None,
        )
        self._scale = loss_scale(
            model,
            num_samples=self.num_samples,
            batch_size=next(iter(self._batches)).size,
        )
        self.loss_fn = loss_fn
        self._moments = self.calibration = None
        if self.batch_norm == "recalibrate" and batch_norm_layers(model):
            self.calibration = calibration
            source = self if calibration is None else calibration
            self._moments = Recalibration(
                model, source.batches, self._point.compile
            )
        if self._batch_loss.missing:
            check_masked(self, self._batch_loss.missing)
        if check_repeatability:
            check_repeats(
                self._loss_and_last_gradient,
                model,
                self._batches,
                self.layout.dtype,
            )

    @property
    def weights(self) -> np.ndarray:
        """A copy of the model's trainable weights, (P,) float64."""
        self._check_usable()
        return self.layout.read()

    @property
    def batches(self) -> Batches:
        """The data, as batches that come in the same order at every pass."""
        return self._batches

    @property
    def batch_loss(self) -> BatchLoss:
        """The loss of one batch, as it is traced and compiled."""
        return self._batch_loss

    @property
    def point(self) -> EvaluationPoint:
        """Where the compiled functions stand in weight space."""
        return self._point

    @property
    def settings(self) -> dict[str, Any]:
        """How f is defined, as it is stored with every result."""
        return {
            "model": self.model.name,
            "loss": self.loss.name,
            "num_samples": self.num_samples,
            "num_weights": self.size,
            "batch_size": self.batch_size,
            "batch_norm": self.batch_norm,
            "regularization": self.regularization,
            "dtype": self.layout.dtype,
        }

    def value(self, w: np.ndarray | None = None, **state: Any) -> float:
        """f(w).

        Args:
            w: Array (P,), the model's own weights when left out.
            **state: `state=` as in `evaluate`.

        Returns:
            Float.
        """
        return self.evaluate(w, **state)["loss"]

    def evaluate(
        self,
        w: np.ndarray | MovedWeights | None = None,
        *,
        state: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """f(w), and the accuracy where y is a class.

        Args:
            w: Array (P,), or `MovedWeights`; the model's own weights when left
                out.
            state: Arrays for `model.non_trainable_variables` (frozen weights,
                moving statistics), the model's own when left out.

        Returns:
            Dict with `"loss"` and, for classes, `"accuracy"` in [0, 1].
        """
        with self.standing_at(w, state):
            # Statistics are estimated anew at weights that are assigned.
            if isinstance(w, MovedWeights) and self._moments is None:
                return self._evaluation.moved_to(w, self._batches)
            return self._evaluation.here(self._batches)

    def gradient(self, w: np.ndarray | None = None) -> np.ndarray:
        """∇f(w).

        Args:
            w: Array (P,), the model's own weights when left out.

        Returns:
            Array (P,), float64.
        """
        return self.value_and_gradient(w)[1]

    def value_and_gradient(
        self,
        w: np.ndarray | None = None,
        *,
        state: Sequence[Any] | None = None,
    ) -> tuple[float, np.ndarray]:
        """f(w) and ∇f(w), from one pass.

        Args:
            w: Array (P,), the model's own weights when left out.
            state: As in `evaluate`.

        Returns:
            Float, and array (P,), float64.
        """
        loss, total = 0.0, np.empty(self.size)
        with self.standing_at(w, state):
            differentiate = self._gradient_of_batch()
            for index, batch in enumerate(self._batches):
                mean, gradient = differentiate(*batch[:3], self._share(batch))
                (add if index else fill)(total, gradient)
                loss += batch.size * float(mean)
        if self._scale != 1.0:
            total /= self._scale
        return loss / self.num_samples, total

    def batch_gradients(
        self, w: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """The gradient of every batch's loss, one after the other.

        Weighted by the batches' sizes, their mean is ∇f(w).

        Args:
            w: Array (P,), the model's own weights when left out.

        Yields:
            Array (P,), float64.
        """
        with self.standing_at(w):
            differentiate = self._gradient_of_batch()
            for batch in self._batches:
                gradient = np.empty(self.size)
                fill(gradient, differentiate(*batch[:3], self._share(batch))[1])
                # A batch's own mean, where a share of the whole one comes.
                share = self._scale * batch.size / self.num_samples
                yield gradient / share

    def hessian_product(
        self, v: np.ndarray, w: np.ndarray | None = None
    ) -> np.ndarray:
        """∇²f(w) v, for one vector or a block of K.

        Reverse over reverse: the gradient of `∇f(w)ᵀ v` (Pearlmutter 1994).
        The vectors of a block share the forward and the first backward pass.

        Args:
            v: Array (P,) or (P, K).
            w: Array (P,), the model's own weights when left out.

        Returns:
            Array of the shape of `v`, float64.

        Raises:
            ValueError: If `v` has another number of rows.
        """
        return self.curvature_product(v, w=w)

    def gauss_newton_product(
        self, v: np.ndarray, w: np.ndarray | None = None
    ) -> np.ndarray:
        """The generalised Gauss-Newton matrix times v, or a block of K.

        `G(w) = (1/N) Σᵢ sᵢ Jᵢᵀ ∇²ℓᵢ Jᵢ + ∇²Ω`: Jᵢ the Jacobian of the outputs
        of sample i by the weights, ∇²ℓᵢ the Hessian of its loss by the
        outputs. Positive semi-definite where ℓ is convex in the outputs.

        Args:
            v: Array (P,) or (P, K).
            w: Array (P,), the model's own weights when left out.

        Returns:
            Array of the shape of `v`, float64.

        Raises:
            ValueError: If `v` has another number of rows.

        Reference:
            Schraudolph 2002, https://doi.org/10.1162/08997660260028683.
        """
        return self.curvature_product(v, matrix="gauss-newton", w=w)

    def curvature_product(
        self,
        v: np.ndarray,
        *,
        matrix: Curvature | Matrix = "hessian",
        w: np.ndarray | HeldWeights | None = None,
        kept: KeptMaps | None = None,
        memory: ReusedMemory | None = None,
    ) -> np.ndarray:
        """A curvature matrix times v, for one vector or a block of K.

        Args:
            v: Array (P,) or (P, K); with fewer rows for a `Curvature` of some
                variables only.
            matrix: Str, or a `Curvature`; see there. The operators of
                `keras_sharpness.metrics.operators` explain each.
            w: Array (P,), or `HeldWeights`; the model's own weights when left
                out.
            kept: `KeptMaps` of earlier products at the same w, as operators
                use them; see `kept_maps`.
            memory: `ReusedMemory` of earlier products, as operators use it.

        Returns:
            Array of the shape of `v`, float64.

        Raises:
            ValueError: If `v` has another number of rows, or the loss is not
                one that the matrix is defined for.
        """
        curvature = (
            matrix
            if isinstance(matrix, Curvature)
            else Curvature(matrix=matrix)
        )
        curvature.check(self.loss)
        # What is kept is multiplied without a look at the model.
        self._check_usable()
        v = arguments.real_array("v", v, dtype=None)
        size = self.layout.size_of(curvature.places)
        if v.ndim not in (1, 2) or v.shape[0] != size or not v.size:
            raise ValueError(
                f"`v` must have shape ({size},) or ({size}, K). "
                f"Received: {v.shape}."
            )
        scales = vector_scales(self.model, np.atleast_2d(v.T))
        memory = memory or ReusedMemory()
        vectors = as_rows(v, self.layout.dtype, memory)
        if np.any(scales != 1.0):
            vectors = vectors / scales.astype(vectors.dtype)
        total = memory.empty("products", vectors.shape, np.float64)
        self._products.multiply(
            total,
            vectors,
            curvature,
            batches=self._batches,
            share=self._share,
            at=lambda: self.standing_at(w),
            kept=kept,
        )
        if self._scale != 1.0 or np.any(scales != 1.0):
            total *= scales / self._scale
        return total.T.reshape(v.shape)

    def kept_maps(self) -> KeptMaps | None:
        """Where products at one point keep what they have in common.

        Returns:
            `KeptMaps`, or None where nothing is to be kept.
        """
        return self._products.kept_maps()

    def _check_usable(self) -> None:
        check_process()
        self._structure.check()

    @contextlib.contextmanager
    def standing_at(
        self,
        w: np.ndarray | MovedWeights | HeldWeights | None = None,
        state: Sequence[Any] | None = None,
    ) -> Iterator[None]:
        """Within the block the compiled functions stand at w.

        Several calls at one point inside of it do not move them there anew.

        Args:
            w: Array (P,), `MovedWeights` or `HeldWeights`; the model's own
                weights when left out.
            state: As in `evaluate`.

        Yields:
            Nothing.
        """
        self._check_usable()
        variables = self.model.non_trainable_variables
        if state is not None:
            check_state(self.model, state)
        weights: Iterable | None = self.layout.variables
        if isinstance(w, MovedWeights):
            weights = None
            if self._moments is not None:
                weights = self._packing.unpack(w.start + w.step)
        elif isinstance(w, HeldWeights):
            weights, variables = w.tensors, w.state
        elif w is not None:
            weights = self.layout.split(self.layout.check(w))
        with self._point.at(weights, variables if state is None else state):
            if self._moments is not None:
                self._point.move_state(self._moments.estimate)
            yield

    def _loss_and_last_gradient(self) -> tuple[float, np.ndarray]:
        # By the last two variables, for the time of a forward pass: what is
        # random before them, or in the data, shows there.
        places = range(len(self.layout.paths))[-2:]
        with self.standing_at(None):
            loss, gradient = self._evaluation.differentiated(
                self._gradient_by(places), self._batches, self._share
            )
        return loss, gradient / self._scale

    def _gradient_of_batch(self) -> Callable:
        return self._point.compile("gradient", self._gradient_by(None))

    def _gradient_by(self, places: Sequence[int] | None) -> Callable:
        return naming_layers(
            self.model,
            value_and_gradient(self._batch_loss.value, places=places),
            twice=False,
        )

    def _share(self, batch: Batch) -> Any:
        share = self._scale * batch.size / self.num_samples
        return keras.ops.convert_to_tensor(share, self.layout.dtype)
