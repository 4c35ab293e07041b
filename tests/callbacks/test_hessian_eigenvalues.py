"""Eigenvalues during a training, in the logs and for TensorBoard."""

import keras
import numpy as np
import pytest

from keras_sharpness import Objective
from keras_sharpness.callbacks import HessianEigenvalues
from keras_sharpness.metrics import HessianOperator


def test_both_ends_of_the_spectrum(float64, build, data, tmp_path, events):
    log_dir = tmp_path / "log"
    both = HessianEigenvalues(
        *data, k=2, which="both", tolerance=1e-6, log_dir=log_dir
    )
    smallest = HessianEigenvalues(
        *data, k=2, which="smallest", tolerance=1e-6, name="negative"
    )
    model = build()
    board = keras.callbacks.TensorBoard(log_dir)
    logs = model.fit(
        *data, epochs=3, callbacks=[both, smallest, board], verbose=0
    ).history

    objective = Objective(model, *data)
    spectrum = np.linalg.eigvalsh(HessianOperator(objective) @ np.eye(51))
    # Eigenvalues are good to the square of the residual over the gap.
    top = [logs["hessian_eigenvalue"][-1], logs["hessian_eigenvalue_2"][-1]]
    np.testing.assert_allclose(top, spectrum[:-3:-1], rtol=1e-8)
    bottom = ["hessian_smallest_eigenvalue", "hessian_smallest_eigenvalue_2"]
    for keys in (bottom, ["negative_smallest", "negative_smallest_2"]):
        np.testing.assert_allclose(
            [logs[key][-1] for key in keys], spectrum[:2], rtol=1e-6
        )
    assert list(both.to_frame().columns[2:6]) == [
        "hessian_eigenvalue",
        "hessian_eigenvalue_2",
        "hessian_smallest_eigenvalue_2",
        "hessian_smallest_eigenvalue",
    ]
    assert all(result.eigenvectors is None for result in both.results)
    # Later searches start from what earlier ones found.
    assert [result.num_initial_vectors for result in both.results] == [0, 6, 6]

    written = events("train")["epoch_hessian_eigenvalue"]
    assert [step for step, _ in written] == [0, 1, 2]
    # TensorBoard stores float32.
    np.testing.assert_allclose(
        [value for _, value in written], logs["hessian_eigenvalue"], rtol=1e-6
    )
    ((step, one), *_) = events("hessian_eigenvalue")["hessian_eigenvalue"]
    assert step == 0
    for value in both.results[0].eigenvalues:
        inside = (one[:, 0] <= value) & (value <= one[:, 1])
        assert one[inside, 2].sum() >= 1
    assert one[:, 2].sum() == 4


def test_histograms_between_epochs_count_steps(build, data, tmp_path, events):
    top = HessianEigenvalues(
        *data, k=2, frequency=3, log_dir=tmp_path / "log", name="top"
    )
    build().fit(*data, batch_size=8, callbacks=[top], verbose=0)
    (written,) = events("top").values()
    assert [step for step, _ in written] == [3, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k` must be an integer of at least"),
        ({"which": "top"}, "'largest', 'smallest', 'both"),
        ({"tolerance": 0.0}, "must be a positive"),
    ],
)
def test_bad_options_are_refused_before_the_training(data, options, message):
    with pytest.raises(ValueError, match=message):
        HessianEigenvalues(*data, **options)
