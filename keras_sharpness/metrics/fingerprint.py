"""What measured values depend on, in a form that can be compared."""

from typing import Any

import keras

from keras_sharpness.metrics.objective import Objective
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
