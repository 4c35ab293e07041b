"""The trace during a training."""

import keras
import numpy as np

from keras_sharpness import Objective, hessian_trace
from keras_sharpness.callbacks import HessianTrace


def test_the_trace_is_that_of_the_function(
    float64, build, data, tmp_path, events
):
    trace = HessianTrace(*data, num_probes=4)
    model = build()
    board = keras.callbacks.TensorBoard(tmp_path / "log")
    logs = model.fit(
        *data, epochs=3, callbacks=[trace, board], verbose=0
    ).history

    again = hessian_trace(Objective(model, *data), num_probes=4)
    assert logs["hessian_trace"][-1] == again.value
    assert logs["hessian_trace_standard_error"][-1] == again.standard_error
    scalars = events("train")
    for key in ("hessian_trace", "hessian_trace_seconds"):
        written = scalars[f"epoch_{key}"]
        assert [step for step, _ in written] == [0, 1, 2]
        # TensorBoard stores float32.
        np.testing.assert_allclose(
            [value for _, value in written], logs[key], rtol=1e-6
        )
