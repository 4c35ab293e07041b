"""ε-sharpness against closed forms and the best of several hundred searches."""

import dataclasses
import inspect
import itertools

import click
import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective, epsilon_sharpness
from keras_sharpness.results import Result
from keras_sharpness.runs.differences import differences
from tests import oracle_networks


@pytest.fixture
def quadratic(float64):
    """(objective, data) of a separable quadratic, exactly at its minimum."""
    model, data = oracle_networks.load("separable_quadratic")
    return Objective(model, data["x"], data["y"]), data


@pytest.mark.parametrize("maximizer", ["l-bfgs-b", "frank-wolfe"])
def test_closed_form_at_an_exact_minimum(quadratic, maximizer):
    objective, data = quadratic
    for epsilon, expected in zip(
        data["epsilons"], data["closed_form_phi"], strict=True
    ):
        sharpness = epsilon_sharpness(
            objective, epsilon=epsilon, maximizer=maximizer
        )
        # f rises by 6e-5 at the least and is rounded at 1e-16.
        assert sharpness.value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("maximizer", "max_iterations"), [("frank-wolfe", 10), ("l-bfgs-b", 100)]
)
def test_closed_form_off_the_minimum(quadratic, maximizer, max_iterations):
    """Ten iterations of L-BFGS-B stop 0.3 % short; a hundred do not."""
    objective, data = quadratic
    u = oracle_networks.flat(data, "u")
    for epsilon, expected in zip(
        data["epsilons"], data["closed_form_phi_u"], strict=True
    ):
        sharpness = epsilon_sharpness(
            objective,
            epsilon=epsilon,
            maximizer=maximizer,
            max_iterations=max_iterations,
            w=u,
        )
        assert sharpness.value == pytest.approx(expected, rel=1e-6)


def check_point(objective, sharpness, w, half_widths, z):
    """The displacement lies in the box and gives the value."""
    # One rounding of a product and a quotient.
    assert np.all(np.abs(z) <= half_widths * (1 + 1e-15))
    loss, peak = objective.value(w), objective.value(w + sharpness.displacement)
    # Float64 sums of some hundred terms, divided by a rise of 1e-3 or more.
    assert 100 * (peak - loss) / (1 + loss) == pytest.approx(
        sharpness.value, rel=1e-9
    )


def test_full_space_reaches_the_best_known(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    for epsilon, best in zip(data["epsilons"], data["best_phi"], strict=True):
        # In the larger box of the convolutional network a start finds the
        # highest valley one time in five: 16 starts of both maximisers miss
        # it one time in a thousand. With seed 3 eight miss it.
        sharpness = epsilon_sharpness(
            objective,
            epsilon=epsilon,
            maximizer="best",
            max_iterations=20,
            num_starts=3 if epsilon <= 1e-3 else 16,
            seed=3,
        )
        assert sharpness.value >= 0.995 * best
        w = objective.weights
        half_widths = epsilon * (np.abs(w) + 1)
        check_point(
            objective, sharpness, w, half_widths, sharpness.displacement
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_best_corner_of_a_quadratic(float64, seed):
    """All corners of a box of 12 sides are looked at."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 12)) @ rng.standard_normal((12, 12))
    kernel = rng.standard_normal(12)
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.set_weights([kernel[:, None]])
    # The exact minimum: nothing but the quadratic form is left.
    objective = Objective(model, x, x @ kernel[:, None], loss="mse")
    epsilon = 0.01
    b = epsilon * (np.abs(kernel) + 1)
    corners = np.array(list(itertools.product([-1.0, 1.0], repeat=12)))
    expected = 100 * np.max(np.mean(((corners * b) @ x.T) ** 2, axis=1))
    found = epsilon_sharpness(
        objective, epsilon=epsilon, maximizer="best", num_starts=8, seed=seed
    )
    # Sums of 40 squares in float64.
    assert found.value == pytest.approx(expected, rel=1e-10)


def test_subspace_reaches_the_best_known(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    a, w = data["subspace_A"], objective.weights
    coordinates = np.linalg.pinv(a) @ w
    for epsilon, best in zip(
        data["epsilons"], data["subspace_best_phi"], strict=True
    ):
        sharpness = epsilon_sharpness(
            objective,
            epsilon=epsilon,
            subspace=a,
            maximizer="best",
            num_starts=8,
            seed=2,
        )
        assert sharpness.value >= 0.995 * best
        # pinv by SVD against the normal equations: condition number of five
        # Gaussian columns is below 10, hence 1e-13 at the worst.
        half_widths = epsilon * (np.abs(coordinates) + 1) * (1 + 1e-12)
        check_point(objective, sharpness, w, half_widths, sharpness.coordinates)
        # Sums of five products.
        np.testing.assert_allclose(
            a @ sharpness.coordinates, sharpness.displacement, atol=1e-14
        )


def test_random_subspace_is_the_paper_s_metric(float64):
    """The reported maximum is one of a problem rebuilt here from the seed."""
    model, data = oracle_networks.load("mlp_tanh")
    objective = Objective(model, data["x"], data["y"])
    w = objective.weights
    sharpness = epsilon_sharpness(
        objective, subspace_dim=7, seed=3, maximizer="frank-wolfe"
    )
    a = np.random.default_rng(3).standard_normal((7, len(w)), np.float32).T
    half_widths = 1e-3 * (np.abs(np.linalg.pinv(a.astype(float)) @ w) + 1)
    assert np.all(np.abs(sharpness.coordinates) <= half_widths * (1 + 1e-6))
    # A is float32, and so are the products with it: seven terms.
    np.testing.assert_allclose(
        a @ sharpness.coordinates, sharpness.displacement, atol=1e-8
    )
    assert sharpness.subspace_dim == 7
    assert sharpness.subspace_scaling == "normal"


def test_the_default_is_frank_wolfe_or_in_a_subspace_l_bfgs_b(quadratic):
    objective, _ = quadratic
    for options, maximizer in (
        ({}, "frank-wolfe"),
        ({"subspace_dim": 5}, "l-bfgs-b"),
    ):
        found = epsilon_sharpness(objective, **options)
        named = epsilon_sharpness(
            objective, maximizer=maximizer, num_starts=3, **options
        )
        assert found.maximizer == maximizer
        assert [run["maximizer"] for run in found.runs] == [maximizer] * 3
        assert found.runs == named.runs


def test_one_default_by_every_door():
    """The command line asks for nothing, so that the plan's is taken."""
    from keras_sharpness.callbacks import EpsilonSharpness
    from keras_sharpness.cli.options import make_plan, shared_options
    from keras_sharpness.studies import MeasurementPlan

    command = click.command(shared_options(lambda **_: None))
    values = command.make_context("measure", []).params
    plan = make_plan(dict(values))[1]
    assert plan == MeasurementPlan()
    for name, default in (("maximizer", "auto"), ("num_starts", 3)):
        for door in (epsilon_sharpness, EpsilonSharpness):
            assert inspect.signature(door).parameters[name].default == default
        assert getattr(plan, name) == default
        option = next(o for o in command.params if o.name == name)
        assert f"[default: {default}]" in option.help
    given = ["--maximizer=best", "--num-starts=7"]
    plan = make_plan(command.make_context("measure", given).params)[1]
    assert (plan.maximizer, plan.num_starts) == ("best", 7)


def test_a_plan_says_what_its_numbers_depend_on():
    """One start of Frank-Wolfe is what earlier versions recorded."""
    from keras_sharpness.studies import MeasurementPlan

    names = {
        "epsilon_sharpness-0.001-full": "frank-wolfe",
        "epsilon_sharpness-0.001-subspace": "l-bfgs-b",
    }
    earlier = MeasurementPlan(maximizer="frank-wolfe", num_starts=1)
    for name, maximizer in names.items():
        settings = MeasurementPlan().settings(name)
        assert settings["maximizer"] == maximizer
        assert settings["num_starts"] == 3
        before = {
            "batch_norm": "inference",
            "batch_size": None,
            "num_samples": None,
            "regularization": True,
            "maximizer": "frank-wolfe",
            "seed": 0,
        }
        if name.endswith("subspace"):
            before["subspace_dim"] = 100
        assert differences(before, earlier.settings(name)) == []
        assert differences(before, settings) != []


def test_same_seed_same_bits_other_seed_other_subspace(float64):
    model, data = oracle_networks.load("cnn")
    objective = Objective(model, data["x"], data["y"])
    first, second, other = (
        epsilon_sharpness(
            objective, subspace_dim=5, num_starts=2, maximizer="best", seed=s
        )
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.displacement, second.displacement)
    assert first.value == second.value
    assert first.value != other.value


def test_result_counts_its_cost_and_round_trips(quadratic, tmp_path):
    objective, _ = quadratic
    calls = []
    original = objective.value_and_gradient
    objective.value_and_gradient = lambda w: calls.append(w) or original(w)
    steps = []
    sharpness = epsilon_sharpness(
        objective,
        maximizer="best",
        num_starts=3,
        progress=lambda *step: steps.append(step),
    )
    assert sharpness.num_evaluations == len(calls)
    assert len(steps) == len(calls)
    assert len(sharpness.runs) == 9
    assert sharpness.share_at_bound == 1.0
    assert sharpness.winner in ("l-bfgs-b", "frank-wolfe")
    assert sharpness.objective["batch_norm"] == "inference"
    sharpness.save(tmp_path / "sharpness.json")
    loaded = Result.load(tmp_path / "sharpness.json")
    for field in dataclasses.fields(sharpness):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(sharpness, field.name)
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"epsilon": 0.0},
            "`epsilon` must be a positive, finite number",
        ),
        ({"epsilon": -1e-3}, "must be a positive"),
        ({"epsilon": float("nan")}, "must be a positive"),
        ({"maximizer": "adam"}, "'l-bfgs-b', 'frank-wolfe', 'best'"),
        ({"subspace_dim": 0}, "from 1 to 17"),
        ({"subspace_dim": 18}, "from 1 to 17"),
        ({"subspace_scaling": "big"}, "'normal', 'unit'"),
        ({"subspace": np.zeros((3, 2))}, r"shape \(18, …\)"),
        (
            {"max_iterations": 0},
            "`max_iterations` must be an integer of at least 1",
        ),
        ({"num_starts": 0}, "`num_starts` must be an integer of at least 1"),
        ({"w": np.zeros(3)}, "flat vector of the 18 trainable weights"),
        ({"w": np.full(18, np.nan)}, "NaN or infinity in 18 of 18"),
    ],
)
def test_bad_options_name_the_remedy(quadratic, options, message):
    objective, _ = quadratic
    with pytest.raises(ValueError, match=message):
        epsilon_sharpness(objective, **options)
