"""Curvature matrices of an objective as SciPy linear operators."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.flat_arrays import ReusedMemory
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.points import HeldWeights
from keras_sharpness.metrics.process_bound import ProcessBound
from keras_sharpness.metrics.weights import check_state


class MeasuredOperator(LinearOperator):
    """A symmetric matrix of an objective that knows what it is.

    Attributes:
        objective: `Objective`, f.
        curvature: `Curvature`. Which matrix.
        slices: Dict. The path of each variable, e.g. `"dense/kernel"`, to the
            slice of rows that belongs to it.
    """

    objective: Objective
    curvature: Curvature
    slices: dict[str, slice]

    @property
    def matrix(self) -> str:
        """Str. Which matrix, and of which variables (`Curvature.name`)."""
        return self.curvature.name(list(self.objective.layout.slices))

    @property
    def settings(self) -> dict[str, Any]:
        """How f is defined, as it is stored with every result."""
        return self.objective.settings

    def multiply(self, tree: Sequence[Any]) -> list[np.ndarray]:
        """The product with a vector that is given variable by variable.

        Args:
            tree: Sequence of arrays or tensors, shaped as the variables of
                `slices`.

        Returns:
            List of arrays of the same shapes, float64.

        Raises:
            ValueError: If they are not shaped so.
        """
        layout, places = self.objective.layout, self.curvature.places
        shapes = [tuple(shape) for shape in layout.shapes_of(places)]
        given = [tuple(np.shape(part)) for part in tree]
        if given != shapes:
            raise ValueError(
                f"`tree` must have the shapes {shapes}, those of "
                f"{', '.join(self.slices)}. Received: {given}."
            )
        flat = np.concatenate([np.ravel(part) for part in tree])
        product = self @ flat
        return [
            product[rows].reshape(shape)
            for rows, shape in zip(self.slices.values(), shapes, strict=True)
        ]


class CurvatureOperator(ProcessBound, MeasuredOperator):
    """A curvature matrix of an objective, as products with vectors.

    Symmetric, float64, of shape (P, P), or (p, p) for the block of some
    variables; SciPy's solvers accept it, and sums and multiples of operators
    are SciPy's. `matmat` multiplies blocks, which share the forward and the
    first backward pass. The memory of a product serves for a later one, once
    nobody holds it any more.

    Args:
        objective: `Objective`, f.
        curvature: `Curvature`. Which matrix.
        w: Array (P,), the model's weights when left out. They are held as they
            are now: later training does not move the operator.
        state: Arrays for `model.non_trainable_variables` (frozen weights,
            moving statistics), the model's own when left out. They are held
            likewise.

    Attributes:
        keeps_activations: Bool. Whether what products have in common is kept
            from one to the next, so that a block costs as much as its vectors
            one by one; see `Objective`.
    """

    def __init__(
        self,
        objective: Objective,
        curvature: Curvature,
        w: np.ndarray | None = None,
        state: Sequence[Any] | None = None,
    ):
        layout = objective.layout
        curvature.check(objective.loss)
        self.objective = objective
        self.curvature = curvature
        if state is None:
            state = objective.model.non_trainable_variables
        check_state(objective.model, state)
        self._w = HeldWeights(layout, w, state)
        self.slices = layout.slices_of(curvature.places)
        self._kept = objective.kept_maps()
        self.keeps_activations = self._kept is not None
        self._memory = ReusedMemory()
        size = layout.size_of(curvature.places)
        super().__init__(np.float64, (size, size))

    @property
    def w(self) -> np.ndarray:
        """The point, (P,) in float64, as the variables' dtype rounds it."""
        return self._w.read()

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(np.ravel(v))

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        return self.objective.curvature_product(
            block,
            matrix=self.curvature,
            w=self._w,
            kept=self._kept,
            memory=self._memory,
        )

    def _adjoint(self) -> "CurvatureOperator":
        return self


class HessianOperator(CurvatureOperator):
    """The Hessian ∇²f(w).

    Args:
        objective: `Objective`, f.
        w: Array (P,), the model's weights when left out.
        variables: Variables, layers, paths or layers' names, or a list of
            these: the block of these variables only. All when left out.
        state: Arrays for `model.non_trainable_variables`, the model's own when
            left out.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.operators import HessianOperator

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, name="last")]
    )
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    hessian = HessianOperator(objective) @ np.eye(4)
    assert np.allclose(hessian, hessian.T, atol=1e-6)
    kernel = HessianOperator(objective, variables="last/kernel")
    assert np.allclose(kernel @ np.eye(3), hessian[:3, :3])
    ```
    """

    def __init__(
        self,
        objective: Objective,
        w: np.ndarray | None = None,
        *,
        variables: Any = None,
        state: Sequence[Any] | None = None,
    ):
        super().__init__(
            objective,
            _curvature(objective, variables, matrix="hessian"),
            w,
            state,
        )


class GaussNewtonOperator(CurvatureOperator):
    """The generalised Gauss-Newton matrix (1/N) Σᵢ sᵢ Jᵢᵀ ∇²ℓᵢ Jᵢ + ∇²Ω.

    Jᵢ is the Jacobian of the model's outputs for sample i by the weights (the
    logits, where the model returns them), ∇²ℓᵢ the Hessian of its loss by the
    outputs. It leaves out the curvature of the network itself, and is positive
    semi-definite where ℓ is convex in the outputs and so is Ω.

    Args:
        objective: `Objective`, f.
        w: Array (P,), the model's weights when left out.
        variables: As for `HessianOperator`.

    Reference:
        Schraudolph 2002, https://doi.org/10.1162/08997660260028683.
    """

    def __init__(
        self,
        objective: Objective,
        w: np.ndarray | None = None,
        *,
        variables: Any = None,
    ):
        super().__init__(
            objective,
            _curvature(objective, variables, matrix="gauss-newton"),
            w,
        )


class FisherOperator(CurvatureOperator):
    """The Fisher matrix (1/N) Σᵢ sᵢ E[gᵢ gᵢᵀ] + ∇²Ω.

    gᵢ is the gradient of the loss of sample i by the weights for a target
    drawn from the model's own prediction, so the loss must be a negative
    log-likelihood. `"exact"` takes the expectation in closed form: for the
    cross-entropies and the squared error, where it equals the Gauss-Newton
    matrix if the model returns logits. `"monte-carlo"` draws `num_samples`
    targets per output, the same ones at every product; it serves the absolute
    error and the Poisson loss as well.

    Where the loss is a mean over several outputs of a sample, each counts as
    an observation of its own.

    Args:
        objective: `Objective`, f.
        w: Array (P,), the model's weights when left out.
        method: Str. `"exact"` or `"monte-carlo"`.
        num_samples: Int. Draws per output, for Monte Carlo.
        seed: Int. For the draws.
        variables: As for `HessianOperator`.

    Raises:
        ValueError: For a loss that is no likelihood known here.

    Reference:
        Martens 2020, https://arxiv.org/abs/1412.1193, sections 5 and 9.
    """

    def __init__(
        self,
        objective: Objective,
        w: np.ndarray | None = None,
        *,
        method: Literal["exact", "monte-carlo"] = "exact",
        num_samples: int = 1,
        seed: int = 0,
        variables: Any = None,
    ):
        arguments.one_of("method", method, ("exact", "monte-carlo"))
        options = {
            "matrix": "monte-carlo-fisher",
            "num_samples": arguments.integer(
                "num_samples", num_samples, least=1
            ),
            "seed": arguments.seed(seed),
        }
        if method == "exact":
            options = {"matrix": "fisher"}
        super().__init__(
            objective, _curvature(objective, variables, **options), w
        )


class EmpiricalFisherOperator(CurvatureOperator):
    """The empirical Fisher matrix (1/N) Σᵢ sᵢ gᵢ gᵢᵀ + ∇²Ω.

    gᵢ is the gradient of the loss ℓᵢ of sample i by the weights at the given
    targets. It is not the Fisher matrix, nor does it approximate the Hessian
    away from a model that fits the data (Kunstner et al. 2019).

    Args:
        objective: `Objective`, f.
        w: Array (P,), the model's weights when left out.
        variables: As for `HessianOperator`.

    Reference:
        Kunstner, Balles and Hennig 2019, https://arxiv.org/abs/1905.12558.
    """

    def __init__(
        self,
        objective: Objective,
        w: np.ndarray | None = None,
        *,
        variables: Any = None,
    ):
        super().__init__(
            objective,
            _curvature(objective, variables, matrix="empirical-fisher"),
            w,
        )


def _curvature(
    objective: Objective, variables: Any, **options: Any
) -> Curvature:
    check_objective(objective)
    places = None if variables is None else objective.layout.places(variables)
    return Curvature(places=places, **options)


def check_objective(objective: Any) -> Objective:
    """Refuses what is no `Objective`.

    Args:
        objective: What a caller passed.

    Returns:
        The `Objective`.

    Raises:
        ValueError: If it is none.
    """
    return arguments.instance(
        "objective",
        objective,
        Objective,
        "an Objective",
        "Build one with ks.Objective(model, x, y).",
    )


def as_operator(
    objective: Objective | LinearOperator,
    w: np.ndarray | None = None,
    name: str = "objective",
) -> LinearOperator:
    """The operator that a measurement is made on.

    Args:
        objective: `Objective`, whose Hessian it is; or any symmetric
            `LinearOperator`.
        w: Array (P,), the point, for an `Objective`; the model's weights when
            left out.
        name: Str. What the caller calls the operator.

    Returns:
        `LinearOperator` of shape (P, P).

    Raises:
        ValueError: For anything else, a matrix that is not square, and `w`
            beside an operator.
    """
    if isinstance(objective, Objective):
        return HessianOperator(objective, w)
    arguments.instance(
        name,
        objective,
        LinearOperator,
        "an Objective or a SciPy LinearOperator",
        "Build one with ks.Objective(model, x, y).",
    )
    if w is not None:
        raise ValueError(
            "`w` goes with an Objective; an operator stands at its point."
        )
    if objective.shape[0] != objective.shape[1]:
        raise ValueError(
            "The operator must be square and symmetric. Received: shape "
            f"{objective.shape}."
        )
    if np.issubdtype(objective.dtype, np.complexfloating):
        raise arguments.refuse("objective", objective, "a real operator")
    return objective


def described(operator: LinearOperator) -> dict[str, Any]:
    """What a result says of the operator that it was measured on.

    Args:
        operator: `LinearOperator`.

    Returns:
        Dict with `"matrix"`, which of the matrices of an objective it is, and
        `"objective"`, its settings; `"operator"` and an empty dict for one
        that is not of this package, or a sum or multiple of such.
    """
    if isinstance(operator, MeasuredOperator):
        return {"matrix": operator.matrix, "objective": operator.settings}
    return {"matrix": "operator", "objective": {}}


@runtime_checkable
class HasSlices(Protocol):
    """An operator that knows which of its rows belong together.

    Attributes:
        slices: Dict. The path of each variable to the slice of its rows.
    """

    slices: dict[str, slice]


def slices_of(operator: LinearOperator) -> dict[str, slice]:
    """The rows of each variable, none of an operator without `slices`."""
    return operator.slices if isinstance(operator, HasSlices) else {}
