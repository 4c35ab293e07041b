"""What measured values depend on, in a form that can be compared."""

import dataclasses
from typing import Any

import keras
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.fingerprint.descriptions import (
    describe_loss,
    describe_model,
    digest_arrays,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import CurvatureOperator


def describe_objective_loss(objective: Objective) -> Any:
    """The loss of an objective, with own code that it runs.

    Args:
        objective: `Objective`.

    Returns:
        A value that goes to JSON.
    """
    loss, own = objective.loss, objective.loss_fn
    function = loss.nested if loss.function is None else loss.function
    description = describe_loss(function if own is None else own)
    compiled = getattr(objective.model, "_compile_loss", None)
    weights = getattr(compiled, "_user_loss_weights", None)
    # Of several outputs only, and of a loss that the model was compiled with.
    if weights is None or loss.nested is None or own is not None:
        return description
    return {"losses": description, "weights": weights}


def describe_objective(objective: Objective) -> dict[str, Any]:
    """An objective by its settings, architecture, moving statistics and data.

    Not by its model's weights: results are measured elsewhere.

    Args:
        objective: `Objective`.

    Returns:
        Dict that goes to JSON.
    """
    settings = dict(objective.settings)
    # Keras counts names up with every model that the process makes.
    settings.pop("model")
    state = [
        keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v))
        for v in objective.model.non_trainable_variables
    ]
    calibration = {}
    if objective.calibration is not None:
        calibration = {"calibration": _digest(objective.calibration)}
    return {
        **settings,
        **calibration,
        "loss_settings": describe_objective_loss(objective),
        "architecture": describe_model(objective.model),
        "moving_statistics": digest_arrays(
            [value for value in state if value.dtype.kind == "f"]
        ),
        "data": _digest(objective),
    }


def _digest(objective: Objective) -> str:
    """Of the data of an objective, batch by batch."""
    # Digest of digests: batches may stream, all of them may not fit at once.
    data = "".join(
        str(
            digest_arrays(
                keras.tree.map_structure(
                    keras.ops.convert_to_numpy,
                    [part for part in batch[:3] if part is not None],
                )
            )
        )
        for batch in objective.batches
    )
    return digest_arrays([list(data.encode())])


def describe_operator(operator: LinearOperator, use: str) -> dict[str, Any]:
    """A curvature operator by its matrix, its weights and its objective.

    Args:
        operator: `CurvatureOperator`.
        use: Str. What it is described for, for the error.

    Returns:
        Dict that goes to JSON.

    Raises:
        ValueError: For another operator, which cannot be told from others.
    """
    if not isinstance(operator, CurvatureOperator):
        raise ValueError(
            f"{use} needs an Objective or a curvature operator of this "
            "package, whose weights and data tell whether a file belongs to "
            f"it. Received: {type(operator).__name__}. Pass one of these, or "
            "do without."
        )
    return {
        "matrix": dataclasses.asdict(operator.curvature),
        "weights": digest_arrays([operator.w]),
        "objective": describe_objective(operator.objective),
    }
