"""Which numbers a study takes, and how."""

import pytest

from keras_sharpness.studies import MeasurementPlan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilons": ()}, "`epsilons` must be a tuple"),
        ({"epsilons": (0.0,)}, "`epsilons` must be a positive"),
        (
            {"subspace_dim": 0},
            "`subspace_dim` must be an integer of at least 1",
        ),
        ({"num_samples": 0}, "`num_samples` must be an integer of at least 1"),
        ({"num_eigenvalues": -1}, "must be an integer of at least 0"),
    ],
)
def test_bad_plans_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MeasurementPlan(**options)


@pytest.mark.parametrize(
    "measures", ["hessian_trace", ("trace",), {"hessian_trace": {"n": 3}}]
)
def test_bad_measures_are_refused(measures):
    with pytest.raises(ValueError, match="`measures` must be"):
        MeasurementPlan(measures=measures)


def test_a_plan_names_what_it_takes_and_by_what_settings():
    plan = MeasurementPlan(
        epsilons=(1e-3,),
        subspace_dim=5,
        num_eigenvalues=3,
        num_starts=2,
        measures={"hessian_trace": {"num_probes": 4}},
    )
    assert plan.names() == [
        "evaluation",
        "epsilon_sharpness-0.001-full",
        "epsilon_sharpness-0.001-subspace",
        "hessian_eigenvalues",
        "hessian_trace",
    ]
    full, subspace = (plan.settings(name) for name in plan.names()[1:3])
    assert (full["maximizer"], full["num_starts"]) == ("frank-wolfe", 2)
    assert (subspace["maximizer"], subspace["subspace_dim"]) == ("l-bfgs-b", 5)
    assert plan.settings("hessian_trace")["num_probes"] == 4
    assert plan.settings("hessian_eigenvalues")["k"] == 3
