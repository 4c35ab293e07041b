"""Batches that grow where the curvature falls."""

import numpy as np

import keras_sharpness as ks
from keras_sharpness.training import GrowByCurvature


def sizes(schedule, curvatures, num_samples=10**6):
    """The batch size of every epoch, of given curvatures."""
    rows, found = [], []
    for curvature in curvatures:
        size = schedule.next_size(rows, num_samples=num_samples)
        found.append(size)
        rows.append({"batch_size": size, "curvature": curvature})
    return found


def test_schedule_of_scripted_curvatures():
    schedule = GrowByCurvature(initial=16, factor=2, fall=2, patience=4)
    # λ_ref is 8; 4 is half of it, and takes its place; then 2.1 is more than
    # a half of 4, and four epochs pass; the reference stays 4, so 2 is enough.
    curvatures = [8.0, 5.0, 4.0, 3.0, 2.5, 2.1, 2.1, 2.0, 2.0]
    assert sizes(schedule, curvatures) == [16, 16, 16, 32, 32, 32, 32, 64, 128]
    rules = [
        schedule.rule([{"curvature": c} for c in curvatures[: n + 1]])
        for n in range(len(curvatures))
    ]
    assert rules == [0, 0, 1, 0, 0, 0, 2, 1, 0]


def test_size_has_a_limit():
    schedule = GrowByCurvature(initial=16, patience=1, most=40)
    assert sizes(schedule, [1.0] * 4) == [16, 32, 40, 40]
    assert sizes(schedule, [1.0] * 4, num_samples=20) == [16, 20, 20, 20]


def test_training_measures_what_it_grows_by(make_classifier, blobs):
    model = make_classifier()
    history = ks.train(
        model,
        *blobs,
        batch_size=GrowByCurvature(initial=5, num_samples=50, patience=2),
        epochs=4,
    )
    last = ks.hessian_eigenvalues(ks.Objective(model, *blobs), progress=False)
    # The probes' samples are all there are, in their own order; 1e-3 is what
    # `hessian_eigenvalues` asks of its residuals.
    np.testing.assert_allclose(
        history.logged["curvature"][-1], last.eigenvalues[0], rtol=2e-3
    )
    rows = [
        {"curvature": curvature} for curvature in history.logged["curvature"]
    ]
    rules = [GrowByCurvature(patience=2).rule(rows[: n + 1]) for n in range(4)]
    np.testing.assert_array_equal(history.logged["growth"], rules)
    grew = np.diff(history.logged["batch_size"]) > 0
    np.testing.assert_array_equal(grew, np.array(rules[:-1]) > 0)
    assert grew.any()
