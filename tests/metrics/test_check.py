"""Checks against models and matrices of known defects."""

import dataclasses
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from rich.console import Console
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.check import Check, check
from keras_sharpness.metrics.checks.float64_copy import (
    NoFloat64CopyError,
    float64_copy,
)
from keras_sharpness.metrics.checks.smoothness import smoothness
from keras_sharpness.results import Result
from tests.conftest import precision


def data(num_samples=60, num_features=4, num_targets=2):
    generator = np.random.default_rng(0)
    return (
        generator.standard_normal((num_samples, num_features)),
        generator.standard_normal((num_samples, num_targets)),
    )


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(3)


def stack(*stacked, size=4):
    model = keras.Sequential([keras.Input((size,)), *stacked])
    model.compile(loss="mse")
    return model


def verdicts(found):
    return {row.name: row.verdict for row in found.rows}


def test_the_oracle_networks_pass(oracle):
    model, samples = oracle
    found = check(Objective(model, samples["x"], samples["y"]))
    assert found.passed
    rows = verdicts(found)
    for name in ("symmetry", "repeatability", "gradient", "product"):
        assert rows[name] == "ok"
    kinks = any(
        "relu" in str(getattr(layer, "activation", layer)).lower()
        for layer in model.layers
    )
    assert rows["smoothness"] == ("note" if kinks else "ok")
    # The same sums in another order.
    assert found.row("precision").value < 1e-12


def test_a_smooth_float32_model_passes():
    model = stack(layers.Dense(5, "tanh"), layers.Dense(2))
    found = check(Objective(model, *data(1500)))
    assert set(verdicts(found).values()) == {"ok"}
    assert "float64 copy, on 500 samples" in found.row("product").explanation
    # A float64 comparison: float32 would leave 1e-4.
    assert found.row("product").value < 1e-8
    # Some ten roundings of 6e-8, and no less than a tenth of one.
    assert 6e-9 < found.row("precision").value < 1e-5


def test_kinks_are_named_and_do_not_spoil_the_comparison():
    model = stack(
        layers.Dense(30, "relu", name="first"),
        layers.Dense(30, name="second"),
        layers.LeakyReLU(name="third"),
        layers.Reshape((5, 6)),
        layers.MaxPooling1D(name="fourth"),
        layers.Flatten(),
        layers.Dense(2, kernel_regularizer=keras.regularizers.L1(1e-3)),
    )
    objective = Objective(model, *data(500))
    assert smoothness(objective).kinks == (
        "first (Relu)",
        "third (LeakyRelu)",
        "fourth (MaxPool)",
        "the loss (Abs)",
    )
    found = check(objective)
    assert found.passed
    row = found.row("smoothness")
    assert row.verdict == "note"
    assert "first (Relu)" in row.explanation
    # Over a step of 0.1 % some of 500 · 60 units cross their kink.
    assert row.value > 1e-3


class OwnActivation(layers.Layer):
    """`function` as a layer, which serializes by the name of its class."""

    def call(self, x):
        return type(self).function(x)


class HalfGradient(OwnActivation):
    """x², whose gradient comes out as x."""

    @staticmethod
    def function(x):
        return x * keras.ops.stop_gradient(x)


class NoSecondDerivative(OwnActivation):
    """x² with the gradient 2x, and nothing after that."""

    @staticmethod
    @tf.custom_gradient
    def function(x):
        return x**2, lambda upstream: upstream * 2 * tf.stop_gradient(x)


class Cut(OwnActivation):
    """x, through which no gradient passes."""

    function = staticmethod(keras.ops.stop_gradient)


class Rounded(OwnActivation):
    """x in steps of 1/1000."""

    @staticmethod
    def function(x):
        return keras.ops.round(1000 * x) / 1000


def test_a_wrong_gradient_is_found():
    model = stack(layers.Dense(3), HalfGradient(), layers.Dense(2))
    found = check(Objective(model, *data()))
    assert not found.passed
    row = found.row("gradient")
    assert row.verdict == "fail"
    assert "half_gradient (StopGradient)" in row.explanation


def test_a_missing_second_derivative_is_found():
    model = stack(
        layers.Dense(3, name="culprit", use_bias=False),
        NoSecondDerivative(),
        layers.Dense(2, trainable=False),
    )
    found = check(Objective(model, *data()))
    assert verdicts(found)["gradient"] == "ok"
    row = found.row("product")
    assert row.verdict == "fail"
    assert "culprit/kernel" in row.explanation
    # ∂²(a x²)² / ∂x²: 12 of it, 8 without the second derivative of x², for
    # targets of zero; with others about as much.
    assert 0.1 < row.value < 1.0


@pytest.mark.parametrize("kind", [Cut, Rounded])
def test_weights_behind_a_cut_are_named(kind):
    model = stack(layers.Dense(3, name="before"), kind(), layers.Dense(2))
    found = check(Objective(model, *data()))
    row = found.row("influence")
    assert row.verdict == "fail"
    pattern = r"depends on \S*before/kernel, \S*before/bias, but all"
    assert re.search(pattern, row.explanation)
    # (4 + 1) · 3 of these and (3 + 1) · 2 others.
    assert row.value == pytest.approx(15 / 23)


def test_weights_without_influence_are_named():
    inputs = keras.Input((4,))
    unused = layers.Dense(2, name="unused")(inputs) * 0.0
    outputs = layers.Dense(2)(inputs) + unused
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    x, y = data()
    row = check(Objective(model, x, y)).row("influence")
    assert row.verdict == "note"
    assert "unused/kernel, unused/bias do not influence" in row.explanation
    assert row.value == 0.5
    x[:, 1] = 0.0
    model = stack(layers.Dense(2))
    row = check(Objective(model, x, y)).row("influence")
    assert row.verdict == "ok"
    assert row.value == pytest.approx(2 / 10)


def test_weights_on_a_kink_are_a_note_not_a_failure():
    # Zero inputs and new biases: z = 0 for a third of the samples.
    model = stack(layers.Dense(6, "relu"), layers.Dense(2))
    x, y = data()
    x[::3] = 0.0
    found = check(Objective(model, x, y))
    assert found.passed
    assert found.row("gradient").verdict == "note"
    assert "one-sided" in found.row("gradient").explanation


class Undescribed(keras.Model):
    """A model that cannot be built from its configuration."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.dense = layers.Dense(3)
        self.last = layers.Dense(2)

    def call(self, x):
        return self.last(self.function(self.dense(x)))


def test_what_cannot_be_copied_is_compared_in_its_own_precision():
    x, y = data()
    for function, passes in ((keras.ops.tanh, True), (Cut.function, False)):
        model = Undescribed(function)
        model(x)
        model.compile(loss="mse")
        found = check(Objective(model, x, y))
        assert found.passed == passes
        assert "precision" not in verdicts(found)
        explanation = found.row("product").explanation
        assert "Compared in float32, as the model cannot be" in explanation
        assert "NotImplementedError" in explanation


class Rotated(layers.Layer):
    """A root mean square norm and a rotation by position, both in float32.

    As large language models in Keras have them, whatever their dtype.
    """

    def call(self, x):
        ops = keras.ops
        narrow = ops.cast(x, "float32")
        square = ops.mean(narrow**2, axis=-1, keepdims=True)
        narrow = narrow * ops.rsqrt(square + 1e-6)
        angle = ops.cast(ops.arange(narrow.shape[1]), "float32")[:, None]
        left, right = ops.split(narrow, 2, axis=-1)
        narrow = ops.concatenate(
            [
                left * ops.cos(angle) - right * ops.sin(angle),
                left * ops.sin(angle) + right * ops.cos(angle),
            ],
            axis=-1,
        )
        return ops.cast(narrow, x.dtype)


_OWN_LOSS = keras.losses.MeanSquaredError(reduction=None, dtype="float32")


class OwnLoss(keras.Model):
    """A loss object of the caller's that no configuration knows."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return keras.ops.sum(_OWN_LOSS(y, y_pred))


def narrow_inside(*after, kind=keras.Model, activation="tanh"):
    inputs = keras.Input((4,))
    x = layers.Dense(8, activation)(inputs)
    x = layers.Reshape((2, 4))(x)
    if kind is keras.Model:
        x = Rotated(name="rotated")(x)
    x = layers.Dense(4, activation)(x)
    for layer in after:
        x = layer(x)
    model = kind(inputs, layers.Dense(2)(layers.Flatten()(x)))
    model.compile(loss="mse")
    return model


@pytest.mark.parametrize("policy", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "place"),
    [(keras.Model, "rotated"), (OwnLoss, "mean_squared_error")],
)
def test_what_stays_float32_is_named_and_allowed_for(policy, kind, place):
    with precision(policy):
        found = check(Objective(narrow_inside(kind=kind), *data()))
    assert found.passed
    for name in ("gradient", "product"):
        row = found.row(name)
        assert row.verdict == "ok"
        assert f"{place} computes in float32 all the same" in row.explanation
        # Ten times the cube root of 2⁻²³, 0.049.
        assert row.limit == pytest.approx(10 * 2 ** (-23 / 3))
    # The square root of 2⁻²³, also for float64 weights.
    assert found.row("symmetry").limit == pytest.approx(2**-11.5)


@pytest.mark.parametrize("kind", [keras.Model, OwnLoss])
@pytest.mark.parametrize(
    ("wrong", "activation"),
    [
        (HalfGradient, "tanh"),
        (HalfGradient, "relu"),
        (Rounded, "tanh"),
        (Rounded, "relu"),
        # In float32, kinks hide a wrong second derivative.
        (NoSecondDerivative, "tanh"),
    ],
)
def test_what_is_wrong_stays_wrong_beside_float32(kind, wrong, activation):
    model = narrow_inside(wrong(), kind=kind, activation=activation)
    assert not check(Objective(model, *data())).passed


def test_half_precision_is_a_note():
    with precision("float32"):
        keras.config.set_dtype_policy("mixed_float16")
        model = stack(
            *[layers.Dense(64, "tanh") for _ in range(4)], layers.Dense(2)
        )
    found = check(Objective(model, *data()))
    assert found.passed
    row = found.row("precision")
    assert row.verdict == "note"
    assert "float16" in row.explanation
    # About the rounding of float16, 5e-4 to 1e-3, times a few.
    assert 2e-4 < row.value < 1e-1
    # The derivatives themselves are compared in float64.
    assert found.row("product").value < 1e-8


@pytest.mark.parametrize("mode", ["inference", "batch", "recalibrate"])
def test_modes_of_batch_normalisation(mode):
    model = stack(
        layers.Dense(5),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.Dense(2),
    )
    objective = Objective(model, *data(), batch_size=20, batch_norm=mode)
    found = check(objective, max_samples=10)
    assert found.passed
    assert verdicts(found)["product"] == "ok"
    row = found.row("batch norm")
    assert row.verdict == ("ok" if mode == "inference" else "note")
    assert repr(mode) in row.explanation
    # Batches stay whole where their statistics count.
    num_samples = 20 if mode == "batch" else 10
    assert f"on {num_samples} samples" in found.row("product").explanation


def test_asymmetry_is_measured():
    generator = np.random.default_rng(2)
    matrix = generator.standard_normal((50, 50))
    matrix += matrix.T
    assert check(aslinearoperator(matrix)).passed
    skew = generator.standard_normal((50, 50))
    matrix += 0.05 * (skew - skew.T)
    found = check(aslinearoperator(matrix), num_vectors=40)
    truth = np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix)
    # A root mean square over 780 pairs, dependent ones; one of 40 vectors
    # alone would be good to 1/√80 = 11 %, three of these.
    assert found.row("symmetry").value == pytest.approx(truth, rel=0.33)
    assert found.row("symmetry").verdict == "fail"
    assert [row.name for row in found.rows] == ["symmetry", "repeatability"]


def test_products_that_do_not_repeat_are_found():
    generator = np.random.default_rng(3)

    class Noisy(LinearOperator):
        def _matmat(self, block):
            return block + 1e-3 * generator.standard_normal(block.shape)

    found = check(Noisy(np.float64, (400, 400)), num_vectors=5)
    row = found.row("repeatability")
    assert row.verdict == "fail"
    # The difference of two noises; norms of 2000 entries are good to 2 %.
    assert row.value == pytest.approx(1e-3 * np.sqrt(2), rel=0.1)


def test_a_loss_linear_in_the_weights():
    model = stack(layers.Dense(2))
    x, y = data()
    objective = Objective(model, x, y, loss=lambda y, y_pred: y * y_pred)
    found = check(objective)
    assert found.passed
    assert "linear in the weights" in found.row("smoothness").explanation


def bits(model):
    return [np.asarray(v.numpy()).tobytes() for v in model.variables]


def test_nothing_of_the_callers_changes():
    model = stack(
        layers.Dense(3, "tanh"),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(2),
    )
    before = bits(model)
    built = dict(vars(model._compile_loss))
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    number = int(layers.Dense(1).name.rpartition("_")[2])
    state = random.getstate()
    random_state = np.random.get_state()[1].copy()
    check(Objective(model, *data()))
    assert bits(model) == before
    assert random.getstate() == state
    np.testing.assert_array_equal(np.random.get_state()[1], random_state)
    assert keras.config.dtype_policy() is policy
    assert keras.config.floatx() == floatx
    # No layer that the caller did not make is counted.
    assert layers.Dense(1).name == f"dense_{number + 1}"
    for name, value in built.items():
        assert vars(model._compile_loss)[name] is value


class Failing(layers.Layer):
    """Can be made, but not from its configuration."""

    def call(self, x):
        return x

    @classmethod
    def from_config(cls, config):
        assert keras.config.dtype_policy().name == "float64"
        random.random()
        raise ValueError("not from a configuration")


def test_global_state_survives_an_exception():
    model = stack(layers.Dense(2), Failing())
    state, policy = random.getstate(), keras.config.dtype_policy()
    with pytest.raises(NoFloat64CopyError, match="not from a configuration"):
        float64_copy(model, np.ones((1, 4)))
    assert random.getstate() == state
    assert keras.config.dtype_policy() is policy
    found = check(Objective(model, *data()))
    assert "cannot be copied" in found.row("product").explanation
    assert keras.config.dtype_policy() is policy


def test_a_copy_that_is_another_function_is_refused():
    model = stack(layers.Dense(3, "tanh"), layers.Dense(2))
    model.layers[0].activation = keras.ops.sin
    found = check(Objective(model, *data()))
    # Serialized by its name, found again by it.
    assert "float64 copy" in found.row("product").explanation
    scale = iter([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])

    class Changing(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.factor = next(scale)

        def call(self, x):
            return self.factor * x

    model = stack(layers.Dense(2), Changing())
    for _ in range(2):
        next(scale)
    found = check(Objective(model, *data()))
    assert "the copy has the loss" in found.row("product").explanation


def test_loss_objects_functions_and_weights_are_copied():
    """In float64: a float32 loss would leave 1e-3 in the differences."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(3, "tanh")(inputs)
    model = keras.Model(inputs, [layers.Dense(2)(hidden) for _ in range(3)])

    def own(y, y_pred):
        return keras.ops.mean(keras.ops.cosh(y_pred - y), axis=-1)

    model.compile(
        loss=["mse", own, keras.losses.MeanSquaredError()],
        loss_weights=[1.0, 0.5, 3.0],
    )
    x, y = data()
    found = check(Objective(model, x, [y, y + 1, y]))
    assert found.passed
    for name in ("gradient", "product"):
        assert "float64 copy" in found.row(name).explanation
        assert found.row(name).value < 1e-7


@pytest.fixture(scope="module")
def found():
    keras.utils.set_random_seed(3)
    model = stack(layers.Dense(3, "relu", name="a_layer"), layers.Dense(2))
    return check(Objective(model, *data()))


def test_it_reads_well_in_a_terminal_and_in_a_notebook(found):
    text = str(found)
    assert repr(found) == text
    assert text.startswith("Check of sequential")
    for row in found.rows:
        assert row.name in text
    assert max(map(len, text.splitlines())) <= max(Console().width, 80)
    page = found._repr_html_()
    assert page.count("<tr>") == len(found.rows) + 1
    marked = found.rows[0]._replace(explanation="a < b")
    page = dataclasses.replace(found, rows=(marked,))._repr_html_()
    assert "a &lt; b" in page


def test_frame_and_round_trip(found, tmp_path):
    frame = found.to_frame()
    assert list(frame.columns) == [
        "name",
        "verdict",
        "value",
        "limit",
        "explanation",
    ]
    assert len(frame) == len(found.rows)
    found.save(tmp_path / "check.json")
    loaded = Result.load(tmp_path / "check.json")
    for field in dataclasses.fields(found):
        assert getattr(loaded, field.name) == getattr(found, field.name)
    assert loaded.passed == found.passed
    with pytest.raises(KeyError, match="Checked: symmetry"):
        found.row("symetry")


def test_passed_is_the_absence_of_failures(found):
    rows = [row._replace(verdict="note") for row in found.rows]
    assert dataclasses.replace(found, rows=tuple(rows)).passed
    rows[1] = rows[1]._replace(verdict="fail")
    failed = dataclasses.replace(found, rows=tuple(rows))
    assert isinstance(failed, Check)
    assert not failed.passed
    assert "failed" in str(failed)


def test_same_seed_same_values_and_progress(found):
    model = stack(layers.Dense(3, "relu", name="a_layer"), layers.Dense(2))
    steps = []
    again = check(
        Objective(model, *data()), progress=lambda *step: steps.append(step)
    )
    assert again.rows == found.rows
    assert steps[-1] == (6, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_vectors": 1}, "`num_vectors` must be an integer of at least 2"),
        ({"max_samples": 0}, "`max_samples` must be an integer of at least 1"),
    ],
)
def test_bad_options_name_the_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        check(aslinearoperator(np.eye(3)), **options)
    with pytest.raises(ValueError, match="must be an Objective"):
        check(np.eye(3))
