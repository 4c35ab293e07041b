"""Curvature matrices against an independent PyTorch implementation."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from scipy.sparse.linalg import aslinearoperator, eigsh

import keras_sharpness as ks
from keras_sharpness.metrics.operators import (
    EmpiricalFisherOperator,
    FisherOperator,
    GaussNewtonOperator,
    HessianOperator,
    as_operator,
)

# Sums of some hundred float64 terms in another order: a few hundred roundings.
RELATIVE = 1e-9


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def objective_of(model, data, **options):
    return ks.Objective(model, data["x"], data["y"], **options)


def dense(operator):
    return operator @ np.eye(operator.shape[0])


def softmax_regression(seed=0, num_samples=7, **compiled):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((num_samples, 3))
    y = generator.integers(0, 4, num_samples)
    return model, x, y


def cross_entropy():
    # A loss has the precision of the time when it is made.
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("operator", "key"),
    [
        (HessianOperator, "hvp"),
        (GaussNewtonOperator, "ggn_vp"),
        (EmpiricalFisherOperator, "empirical_fisher_vp"),
    ],
)
@pytest.mark.parametrize("batch_size", [32, 1000])
def test_products_of_the_oracle(oracle, operator, key, batch_size):
    model, data = oracle
    matrix = operator(objective_of(model, data, batch_size=batch_size))
    assert relative(matrix @ data["v"].T, data[key].T) < RELATIVE
    assert relative(matrix @ data["v"][0], data[key][0]) < RELATIVE


@pytest.mark.parametrize(
    ("operator", "key"),
    [
        (HessianOperator, "eigenvalues"),
        (GaussNewtonOperator, "ggn_eigenvalues"),
    ],
)
def test_all_eigenvalues_of_the_oracle(oracle, operator, key):
    model, data = oracle
    values = np.linalg.eigvalsh(dense(operator(objective_of(model, data))))
    # Weyl: eigenvalues move by at most the norm of the error of the matrix.
    scale = np.abs(data[key]).max()
    np.testing.assert_allclose(values, data[key], atol=RELATIVE * scale)


def test_traces_of_the_oracle(oracle):
    model, data = oracle
    objective = objective_of(model, data)
    for operator, key in (
        (HessianOperator, "trace"),
        (GaussNewtonOperator, "ggn_trace"),
        (EmpiricalFisherOperator, "empirical_fisher_trace"),
    ):
        trace = np.trace(dense(operator(objective)))
        assert trace == pytest.approx(float(data[key]), rel=RELATIVE)


def test_exact_fisher_from_logits_is_gauss_newton(oracle):
    model, data = oracle
    objective = objective_of(model, data)
    np.testing.assert_array_equal(
        FisherOperator(objective) @ data["v"].T,
        GaussNewtonOperator(objective) @ data["v"].T,
    )


@pytest.mark.parametrize("kind", ["sparse", "categorical", "binary"])
def test_softmax_in_the_model_changes_nothing(float64, kind):
    """Keras applies the loss to the logits then, and so do the matrices."""
    logits, x, y = softmax_regression()
    if kind == "binary":
        losses = keras.losses.BinaryCrossentropy
        activation, y = "sigmoid", np.eye(4)[y]
    elif kind == "categorical":
        losses = keras.losses.CategoricalCrossentropy
        activation, y = "softmax", np.eye(4)[y]
    else:
        losses = keras.losses.SparseCategoricalCrossentropy
        activation = "softmax"
    shares = keras.Sequential([logits, layers.Activation(activation)])
    weight = np.arange(1.0, 8.0)
    first = ks.Objective(
        logits, x, y, sample_weight=weight, loss=losses(from_logits=True)
    )
    second = ks.Objective(shares, x, y, sample_weight=weight, loss=losses())
    for operator in (
        GaussNewtonOperator,
        EmpiricalFisherOperator,
        FisherOperator,
        functools.partial(FisherOperator, method="monte-carlo"),
    ):
        np.testing.assert_allclose(
            dense(operator(second)), dense(operator(first)), atol=1e-14
        )


def test_exact_fisher_by_probabilities(float64):
    """A model that hides its logits: E[u uᵀ] over the classes, by hand."""
    logits, x, y = softmax_regression()
    shares = layers.Rescaling(1.0)(layers.Softmax()(logits(logits.inputs[0])))
    model = keras.Model(logits.inputs[0], shares)
    objective = ks.Objective(
        model, x, y, loss=keras.losses.SparseCategoricalCrossentropy()
    )
    expected = np.zeros((16, 16))
    for i in range(7):
        for label in range(4):
            one = ks.Objective(
                logits, x[i : i + 1], np.array([label]), loss=cross_entropy()
            ).gradient()
            weight = np.asarray(model(x[i : i + 1]))[0, label] / 7
            expected += weight * np.outer(one, one)
    found = dense(FisherOperator(objective))
    # Keras clips probabilities at 1e-7, which these stay away from.
    assert relative(found, expected) < 1e-9


def test_monte_carlo_fisher_tends_to_the_exact_one(float64):
    model, x, y = softmax_regression()
    objective = ks.Objective(model, x, y, loss=cross_entropy(), batch_size=3)
    exact = dense(FisherOperator(objective))
    errors = {
        m: relative(
            dense(
                FisherOperator(objective, method="monte-carlo", num_samples=m)
            ),
            exact,
        )
        for m in (1, 400)
    }
    # Independent draws: the error falls with the root of their number, by 20.
    assert errors[400] < errors[1] / 8
    assert errors[400] < 0.1


@pytest.mark.parametrize(
    ("loss", "activation", "y"),
    [
        ("mse", None, "numbers"),
        ("poisson", "exponential", "counts"),
        ("binary_crossentropy", "sigmoid", "bits"),
        ("categorical_crossentropy", "softmax", "one-hot"),
    ],
)
def test_monte_carlo_fisher_of_other_likelihoods(float64, loss, activation, y):
    """At 1,000 draws it is E[∇²ℓ], simulated here with NumPy's own draws."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, activation=activation)]
    )
    generator = np.random.default_rng(3)
    x = generator.standard_normal((5, 3))
    output = np.asarray(model(x))
    draw = {
        "numbers": lambda: generator.normal(output, 0.5**0.5),
        "counts": lambda: generator.poisson(output).astype(float),
        "bits": lambda: (generator.random(output.shape) < output) * 1.0,
        "one-hot": lambda: np.array(
            [generator.multinomial(1, p / p.sum()) for p in output], float
        ),
    }[y]
    found = dense(
        FisherOperator(
            ks.Objective(model, x, draw(), loss=loss),
            method="monte-carlo",
            num_samples=1000,
        )
    )
    # The mean Gauss-Newton matrix over targets drawn from the model.
    expected = np.mean(
        [
            dense(
                GaussNewtonOperator(ks.Objective(model, x, draw(), loss=loss))
            )
            for _ in range(20 if y in ("counts", "one-hot") else 1)
        ],
        axis=0,
    )
    # Monte Carlo errors of 20 x 5 and of 1,000 x 5 draws.
    assert relative(found, expected) < 0.25


def test_fisher_of_absolute_error_counts_signs(float64):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    objective = ks.Objective(model, x, np.zeros((2, 1)), loss="mae")
    fisher = dense(FisherOperator(objective, method="monte-carlo"))
    extended = np.c_[x, np.ones(2)]
    # u² = 1 for a sign: (1/N) Σ xᵢ xᵢᵀ exactly.
    np.testing.assert_allclose(fisher, extended.T @ extended / 2, rtol=1e-12)


def test_monte_carlo_repeats_and_depends_on_the_seed(float64):
    model, x, y = softmax_regression()
    objective = ks.Objective(model, x, y, loss=cross_entropy(), batch_size=3)
    v = np.random.default_rng(0).standard_normal(objective.size)

    def product(seed):
        return FisherOperator(objective, method="monte-carlo", seed=seed) @ v

    np.testing.assert_array_equal(product(0), product(0))
    assert not np.allclose(product(0), product(1))


def test_empirical_fisher_is_the_sum_over_samples(floatx):
    """Against the gradients of the samples, each from an own objective."""
    model, x, y = softmax_regression()
    weight = np.arange(7.0)
    objective = ks.Objective(
        model, x, y, sample_weight=weight, loss=cross_entropy(), batch_size=3
    )
    expected = np.zeros((objective.size, objective.size))
    for i in range(7):
        one = ks.Objective(
            model, x[i : i + 1], y[i : i + 1], loss=cross_entropy()
        )
        gradient = one.gradient()
        expected += weight[i] * np.outer(gradient, gradient) / 7
    # float32: products of gradients of relative precision 6e-8.
    limit = 1e-12 if floatx == "float64" else 1e-5
    found = dense(EmpiricalFisherOperator(objective))
    assert relative(found, expected) < limit


@pytest.mark.parametrize(
    "operator", [GaussNewtonOperator, EmpiricalFisherOperator, FisherOperator]
)
def test_regularisation_adds_its_hessian(float64, operator):
    inputs = keras.Input((3,))
    outputs = layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.25))(
        inputs
    )
    model = keras.Model(inputs, outputs)
    _, x, y = softmax_regression()
    with_it, without = (
        ks.Objective(
            model, x, y, loss=cross_entropy(), regularization=flag, batch_size=3
        )
        for flag in (True, False)
    )
    difference = dense(operator(with_it)) - dense(operator(without))
    # 0.25 w² has the second derivative 0.5, for the 12 kernel entries.
    expected = np.diag([0.5] * 12 + [0.0] * 4)
    np.testing.assert_allclose(difference, expected, atol=1e-12)


@pytest.mark.parametrize(
    "operator",
    [
        HessianOperator,
        GaussNewtonOperator,
        EmpiricalFisherOperator,
        FisherOperator,
    ],
)
def test_a_block_of_variables_is_a_principal_submatrix(float64, operator):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, activation="tanh", name="first"),
            layers.Dense(4, name="last"),
        ]
    )
    _, x, y = softmax_regression()
    objective = ks.Objective(model, x, y, loss=cross_entropy(), batch_size=3)
    whole = dense(operator(objective))
    first, last = model.layers
    for chosen, rows in (
        ("first", range(16)),
        (last, range(16, 36)),
        ([first.bias, "last/bias"], [*range(12, 16), *range(32, 36)]),
    ):
        block = operator(objective, variables=chosen)
        rows = np.array(rows)
        np.testing.assert_allclose(
            dense(block), whole[np.ix_(rows, rows)], atol=1e-14
        )
        assert sum(s.stop - s.start for s in block.slices.values()) == len(rows)


def test_scipy_adds_and_shifts(float64):
    model, x, y = softmax_regression()
    objective = ks.Objective(model, x, y, loss=cross_entropy())
    hessian, newton = HessianOperator(objective), GaussNewtonOperator(objective)
    shifted = 2.0 * hessian - newton + aslinearoperator(np.eye(objective.size))
    # A linear model: both matrices are the same.
    expected = dense(hessian) + np.eye(objective.size)
    np.testing.assert_allclose(dense(shifted), expected, atol=1e-12)
    (top,) = eigsh(hessian, k=1, which="LA", return_eigenvectors=False)
    assert top == pytest.approx(np.linalg.eigvalsh(dense(hessian))[-1])


def test_operators_keep_their_point(float64):
    model, x, y = softmax_regression()
    # The Hessian of a cross-entropy depends on the weights.
    hessian = HessianOperator(ks.Objective(model, x, y, loss=cross_entropy()))
    before = dense(hessian)
    model.set_weights([w + 1.0 + np.arange(4) for w in model.get_weights()])
    np.testing.assert_array_equal(dense(hessian), before)


def test_the_point_is_the_one_the_variables_can_take():
    model, x, y = softmax_regression()
    objective = ks.Objective(model, x, y, loss=cross_entropy())
    w = objective.weights + 1 / 3
    operator = HessianOperator(objective, w)
    assert operator.w.dtype == np.float64
    np.testing.assert_array_equal(operator.w, w.astype(np.float32))


def test_several_outputs(float64):
    """Gauss-Newton of two linear heads: the sum of theirs, with weights."""
    inputs = keras.Input((3,))
    heads = {
        name: layers.Dense(2, name=name)(inputs) for name in ("left", "right")
    }
    model = keras.Model(inputs, heads)
    model.compile(
        loss={"left": "mse", "right": "mse"},
        loss_weights={"left": 1.0, "right": 3.0},
    )
    x = np.random.default_rng(0).standard_normal((5, 3))
    y = {"left": np.zeros((5, 2)), "right": np.ones((5, 2))}
    objective = ks.Objective(model, x, y)
    np.testing.assert_allclose(
        dense(GaussNewtonOperator(objective)),
        dense(HessianOperator(objective)),
        atol=1e-12,
    )


class TestRefusals:
    def test_unknown_loss_for_fisher(self, float64):
        model, x, _ = softmax_regression()
        objective = ks.Objective(model, x, np.ones((7, 4)), loss="huber")
        for method in ("exact", "monte-carlo"):
            with pytest.raises(ValueError, match="huber"):
                FisherOperator(objective, method=method)

    def test_options(self, float64):
        model, x, y = softmax_regression()
        objective = ks.Objective(model, x, y, loss=cross_entropy())
        with pytest.raises(ValueError, match="method='guess'"):
            FisherOperator(objective, method="guess")
        with pytest.raises(ValueError, match="num_samples=0"):
            FisherOperator(objective, method="monte-carlo", num_samples=0)
        with pytest.raises(ValueError, match=r"There are: .*dense"):
            HessianOperator(objective, variables="elsewhere")
        with pytest.raises(ValueError, match="matrix='guess'"):
            objective.curvature_product(np.ones(16), matrix="guess")
        with pytest.raises(ValueError, match=r"shape \(12,\)"):
            HessianOperator(
                objective, variables=model.layers[0].kernel
            ).objective.curvature_product(
                np.ones(16),
                matrix=HessianOperator(
                    objective, variables=model.layers[0].kernel
                ).curvature,
            )

    def test_what_is_no_operator(self):
        with pytest.raises(
            ValueError, match="Received: objective=array of shape"
        ):
            as_operator(np.eye(2))
        with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
            as_operator(aslinearoperator(np.ones((2, 3))))
        with pytest.raises(ValueError, match="stands at its point"):
            as_operator(aslinearoperator(np.eye(2)), np.ones(2))
