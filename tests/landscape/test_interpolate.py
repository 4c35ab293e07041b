"""Paths between minima against the oracle's curves."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape.interpolate import coefficients
from keras_sharpness.results import Result
from tests import oracle_networks


def both_models(name):
    start, data = oracle_networks.load(name, "w")
    end, _ = oracle_networks.load(name, "u")
    return start, end, data


@pytest.mark.parametrize("name", sorted(oracle_networks.BUILDERS))
@pytest.mark.parametrize(
    ("path", "prefix"), [("linear", "line"), ("curvilinear", "curve")]
)
def test_curves_equal_the_oracle(name, path, prefix, float64):
    """Only the weights move: the oracle keeps the statistics of one end."""
    start, _end, data = both_models(name)
    objective = ks.Objective(start, data["x"], data["y"])
    vectors = [oracle_networks.flat(data, which) for which in "wu"]
    result = ks.interpolate(objective, *vectors, path=path)
    np.testing.assert_array_equal(result.alphas, data["alphas"])
    # Float64 sums of some hundred terms.
    np.testing.assert_allclose(
        result.loss, data[f"{prefix}_loss"], rtol=1e-10, atol=1e-12
    )
    if f"{prefix}_accuracy" in data:
        # The two largest logits differ by 6e-5 or more everywhere.
        np.testing.assert_allclose(
            result.accuracy, data[f"{prefix}_accuracy"], rtol=1e-12
        )
    else:
        assert result.accuracy is None
    assert result.moving_statistics == "objective"


def test_curvilinear_is_a_multiple_of_linear():
    """sin·b + cos·a = r ((1 − t) a + t b) with r = sin + cos, t = sin/r."""
    for alpha in (0.25, 0.5, 0.8):
        a, b = coefficients("curvilinear", alpha)
        r = a + b
        linear = coefficients("linear", b / r)
        np.testing.assert_allclose([a, b], r * np.array(linear), rtol=1e-15)


@pytest.mark.parametrize("path", ["linear", "curvilinear"])
def test_each_end_shows_its_own_model(path, float64):
    """Also with batch normalisation, whose statistics differ at the ends."""
    start, end, data = both_models("mlp_relu_bn")
    for variable in end.non_trainable_variables:
        variable.assign(variable.value * 1.5)
    objective = ks.Objective(start, data["x"], data["y"])
    result = ks.interpolate(
        objective, start, end, path=path, alphas=[-0.5, 0, 0.5, 1, 2]
    )
    # The same float64 operations but for the order of a few sums.
    assert result.loss[1] == pytest.approx(objective.value(), rel=1e-13)
    at_end = ks.Objective(end, data["x"], data["y"]).value()
    assert result.loss[3] == pytest.approx(at_end, rel=1e-13)
    assert result.moving_statistics == "interpolated"
    assert np.all(np.isfinite(result.loss))


def test_recalibrated_ends_need_no_statistics(float64):
    start, end, data = both_models("mlp_relu_bn")
    objectives = [
        ks.Objective(model, data["x"], data["y"], batch_norm="recalibrate")
        for model in (start, end)
    ]
    result = ks.interpolate(objectives[0], start, end, alphas=[0, 1])
    np.testing.assert_allclose(
        result.loss, [o.value() for o in objectives], rtol=1e-13
    )
    assert result.moving_statistics == "recalibrate"


def test_train_and_test_in_one_pass(float64, tmp_path):
    start, end, data = both_models("mlp_tanh")
    halves = {
        "train": ks.Objective(start, data["x"][:60], data["y"][:60]),
        "test": ks.Objective(start, data["x"][60:], data["y"][60:]),
    }
    steps = []
    result = ks.interpolate(
        halves, start, end, progress=lambda *step: steps.append(step)
    )
    for name, objective in halves.items():
        alone = ks.interpolate(objective, start, end)
        np.testing.assert_array_equal(result.loss[name], alone.loss)
        np.testing.assert_array_equal(result.accuracy[name], alone.accuracy)
        assert result.barrier[name] == alone.barrier
    assert steps[-1] == (50, 50)
    frame = result.to_frame()
    assert list(frame.columns) == ["alpha", "data", "loss", "accuracy"]
    assert len(frame) == 50
    result.save(tmp_path / "line.json")
    loaded = Result.load(tmp_path / "line.json")
    for field in dataclasses.fields(result):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(result, field.name)
        )


def test_barrier_of_a_parabola(float64):
    """f = w²: on the line from -1 to 2, chord 1 + 3t, excess t - 9t² + ... ."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    x = np.ones((1, 1))
    bump = ks.Objective(
        model, x, x, loss=lambda y, y_pred: -keras.ops.square(y_pred)
    )
    ends = np.array([-1.0]), np.array([2.0])
    # -(3t-1)² over the chord -1 - 3t is 9 t (1 - t): 9/4 in the middle.
    result = ks.interpolate(bump, *ends, alphas=[0.5])
    assert result.barrier == pytest.approx(9 / 4, rel=1e-14)
    bowl = ks.Objective(
        model, x, x, loss=lambda y, y_pred: keras.ops.square(y_pred)
    )
    assert ks.interpolate(bowl, *ends).barrier == 0.0


def test_files_and_models_are_equal_ends(float64, tmp_path):
    start, end, data = both_models("cnn")
    start.save(tmp_path / "start.keras")
    objective = ks.Objective(end, data["x"], data["y"])
    from_file, from_model = (
        ks.interpolate(objective, point, end, alphas=[0, 0.5])
        for point in (tmp_path / "start.keras", start)
    )
    np.testing.assert_array_equal(from_file.loss, from_model.loss)


def test_models_are_left_as_they_were(float64):
    start, end, data = both_models("mlp_relu_bn")
    before = [v.numpy() for m in (start, end) for v in m.variables]
    ks.interpolate(ks.Objective(start, data["x"], data["y"]), start, end)
    after = [v.numpy() for m in (start, end) for v in m.variables]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bad_input_names_the_remedy(float64, tmp_path):
    start, _, data = both_models("mlp_tanh")
    objective = ks.Objective(start, data["x"], data["y"])
    wider = oracle_networks.mlp_tanh(10, 17, 12, 4)
    deeper, _ = oracle_networks.load("mlp_relu_bn")
    for end, message in (
        (wider, r"has shape \(10, 17\), but \(10, 16\)"),
        (deeper, "10 trainable variables, the objective's model has 6"),
        (np.zeros(3), "`end` must be a flat vector of the 432"),
    ):
        with pytest.raises(ValueError, match=message):
            ks.interpolate(objective, start, end)
    with pytest.raises(ks.saving.ModelFileError, match="There is no file"):
        ks.interpolate(objective, start, tmp_path / "none.keras")
    with pytest.raises(ValueError, match="'linear', 'curvilinear'"):
        ks.interpolate(objective, start, start, path="cubic")
    for alphas in ([], [np.nan], 3.0):
        with pytest.raises(ValueError, match="`alphas` must"):
            ks.interpolate(objective, start, start, alphas=alphas)
    with pytest.raises(ValueError, match="`objective` is empty"):
        ks.interpolate({}, start, start)
    with pytest.raises(ValueError, match="Received: objective=<Sequential"):
        ks.interpolate({"train": start}, start, start)
