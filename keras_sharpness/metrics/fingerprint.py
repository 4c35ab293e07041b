"""What measured values depend on, in a form that can be compared."""

import dataclasses
from typing import Any

import keras
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import CurvatureOperator
from keras_sharpness.training.fingerprint import (
    describe_loss,
    describe_model,
    digest_arrays,
)


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
        for batch in objective._batches
    )
    return {
        **settings,
        "loss_settings": describe_loss(objective.loss.function),
        "architecture": describe_model(objective.model),
        "moving_statistics": digest_arrays(
            [value for value in state if value.dtype.kind == "f"]
        ),
        "data": digest_arrays([list(data.encode())]),
    }


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
