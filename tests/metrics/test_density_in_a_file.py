"""Spectral densities that are kept in a file and go on from there."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import keras_sharpness as ks
from keras_sharpness.metrics.density import SpectralDensity
from keras_sharpness.metrics.operators import (
    GaussNewtonOperator,
    HessianOperator,
)
from tests.metrics.small_classifier import eight_samples, small_classifier

STEPS = 5


@pytest.fixture
def model():
    return small_classifier()


@pytest.fixture
def data():
    return eight_samples()


@pytest.fixture
def objective(model, data):
    return ks.Objective(model, *data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "density.json"


def density(operator, num_probes, **options):
    # Memory for a single probe, so that each is a group: of STEPS + 1 vectors.
    options = {"num_steps": STEPS, **options}
    size = getattr(operator, "size", None) or operator.shape[0]
    return ks.spectral_density(
        operator,
        num_probes=num_probes,
        basis_dtype="float64",
        max_memory=(options["num_steps"] + 1) * 8 * size,
        **options,
    )


def assert_same(one, other):
    names = ("grid", "density", "lower", "upper", "nodes", "weights")
    for name in (*names, "residuals", "probe_means", "noise"):
        np.testing.assert_array_equal(
            getattr(one, name), getattr(other, name), err_msg=name
        )
    for name in ("trace", "mean", "negative_share", "tolerance", "num_probes"):
        assert getattr(one, name) == getattr(other, name), name


def stop_after(num_products):
    """Progress that interrupts, as a person does, and what it has seen."""
    seen = []

    def progress(done, total):
        seen.append((done, total))
        if done == num_products:
            raise KeyboardInterrupt

    return progress, seen


def test_a_stop_loses_no_probe_that_was_finished(objective, path):
    progress, _ = stop_after(2 * STEPS + 2)
    with pytest.raises(KeyboardInterrupt):
        density(objective, 4, path=path, progress=progress)
    kept = SpectralDensity.load(path)
    assert kept.num_probes == 2
    assert kept.num_products == 2 * STEPS
    progress, seen = stop_after(None)
    result = density(objective, 4, path=path, progress=progress)
    assert seen[-1] == (2 * STEPS, 2 * STEPS)
    assert result.num_products == 4 * STEPS
    assert result.seconds > kept.seconds > kept.product_seconds > 0.0
    assert_same(result, density(objective, 4))
    assert_same(SpectralDensity.load(path), result)


def test_more_probes(objective, path):
    density(objective, 2, path=path)
    assert_same(density(objective, 5, path=path), density(objective, 5))


def test_no_more_than_there_are(objective, path):
    before = density(objective, 3, path=path)
    written = path.read_bytes()
    progress, seen = stop_after(0)
    after = density(objective, 2, path=path, progress=progress)
    assert_same(before, after)
    assert path.read_bytes() == written
    assert all(total == 0 for _, total in seen)


def test_kernel_and_grid_may_be_others(objective, path):
    density(objective, 3, path=path)
    result = density(objective, 3, path=path, kernel_width=0.3, grid_size=77)
    assert result.num_products == 3 * STEPS
    assert_same(result, density(objective, 3, kernel_width=0.3, grid_size=77))


def test_probes_that_end_early(objective, path):
    # In P dimensions, P steps at most; rank-deficient, so fewer nodes.
    operator = GaussNewtonOperator(
        objective, variables=[objective.layout.paths[-1]]
    )
    assert operator.shape == (2, 2)
    density(operator, 2, num_steps=2, path=path)
    result = density(operator, 4, num_steps=2, path=path)
    assert_same(result, density(operator, 4, num_steps=2))


def test_several_losses(path):
    inputs = keras.Input((3,))
    outputs = [keras.layers.Dense(1)(inputs), keras.layers.Dense(2)(inputs)]
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 3))
    objective = ks.Objective(
        model, x, [y[:, :1], y[:, 1:]], loss=["mse", "mae"]
    )
    density(objective, 1, path=path)
    assert density(objective, 2, path=path).num_probes == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "seed: 0, now 1"),
        ({"num_steps": 4}, "num_steps: 5, now 4"),
    ],
)
def test_other_settings_are_refused(objective, path, options, message):
    density(objective, 1, path=path)
    with pytest.raises(ValueError, match=message):
        density(objective, 2, path=path, **options)


def test_other_weights_are_refused(objective, model, data, path):
    density(objective, 1, path=path)
    model.fit(*data, verbose=0)
    with pytest.raises(ValueError, match="weights: "):
        density(ks.Objective(model, *data), 2, path=path)


def test_other_data_are_refused(objective, model, data, path):
    density(objective, 1, path=path)
    x, y = data
    with pytest.raises(ValueError, match=r"objective\.data: "):
        density(ks.Objective(model, x + 1.0, y), 2, path=path)


def test_another_matrix_is_refused(objective, path):
    density(HessianOperator(objective), 1, path=path)
    with pytest.raises(ValueError, match=r"matrix\.matrix: 'hessian', now"):
        density(GaussNewtonOperator(objective), 1, path=path)


def test_a_matrix_that_cannot_be_told_is_refused(path):
    with pytest.raises(ValueError, match="needs an Objective"):
        density(aslinearoperator(np.eye(9)), 1, path=path)
    assert not path.exists()


def test_a_missing_folder_shows_before_the_work(objective, tmp_path):
    progress, seen = stop_after(None)
    with pytest.raises(FileNotFoundError, match="no folder"):
        density(
            objective,
            1,
            path=tmp_path / "missing" / "density.json",
            progress=progress,
        )
    assert not seen


def test_a_file_of_something_else_is_refused(objective, path):
    path.write_text("{}")
    with pytest.raises(ValueError, match="not a saved result"):
        density(objective, 1, path=path)
    assert path.read_text() == "{}"


def test_a_result_of_no_file_has_no_fingerprint(objective, path):
    density(objective, 1).save(path)
    with pytest.raises(ValueError, match="other settings"):
        density(objective, 1, path=path)


def test_files_name_the_module_that_held_densities_once(objective, path):
    """In a fresh process that has not imported today's."""
    result = density(objective, 1)
    values = result.to_dict()
    values["module"] = "keras_sharpness.metrics.density_estimate"
    path.write_text(json.dumps(values))
    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from keras_sharpness.results import Result\n"
            "result = Result.load(sys.argv[1])\n"
            "print(type(result).__name__, repr(result.trace))",
            str(path),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == f"SpectralDensity {result.trace!r}\n"
