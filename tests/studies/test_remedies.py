"""Remedies beside the plain training, end to end."""

import pytest

from keras_sharpness.studies import MeasurementPlan, remedies
from keras_sharpness.training import Conservative, SharpnessAware

OPTIONS = {
    "batch_sizes": (30, 90),
    "remedies": {
        "SAM": {"method": SharpnessAware(rho=0.1)},
        "three steps": {"method": Conservative(num_steps=3, proximal=0.0)},
    },
    "seeds": 1,
    "plan": MeasurementPlan(
        epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=1, num_starts=1
    ),
    "training": {"epochs": 6, "optimizer": "sgd"},
    "progress": False,
}


def test_budgets_of_gradients_are_equal(tmp_path, build_model, blobs):
    found = remedies(build_model, blobs, out=tmp_path / "study", **OPTIONS)
    frame = found.to_frame().set_index("group")
    epochs = {"plain": 6, "SAM": 3, "three steps": 2}
    for size in (30, 90):
        for name, number in epochs.items():
            row = frame.loc[f"{name}, batch {size}"]
            assert row["epochs"] == number
            assert row["gradients_per_batch"] * number == 6
    assert found.references == {
        f"{name}, batch {size}": f"plain, batch {size}"
        for size in (30, 90)
        for name in ("SAM", "three steps")
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"remedies": {}}, "one or more but 'plain'"),
        ({"remedies": {"plain": {}}}, "one or more but 'plain'"),
        ({"remedies": {"SAM": 1}}, "arguments of `ks.train`"),
        ({"remedies": {"SAM": {"rho": 1}}}, "rho"),
        ({"batch_sizes": (1000,)}, "training samples"),
        ({"batch_sizes": 30}, "batch_sizes"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path, build_model, blobs, changed, message
):
    out = tmp_path / "study"
    with pytest.raises(ValueError, match=message):
        remedies(build_model, blobs, out=out, **{**OPTIONS, **changed})
    assert not out.exists()
