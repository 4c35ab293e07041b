"""Curvature of samples that are classified well, in float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.metrics import operators

CLASSES, SAMPLES = 4, 24
EPSILON = 2.0**-23
layers, losses = keras.layers, keras.losses


class Problem:
    """A linear model of the classes, each sample far on its class's side.

    The loss is about 3 exp(-distance): 6e-9, 3e-12 and 3e-26 for 20, 28, 60.
    The oracle is in float64, from pairs of classes: nothing in it cancels.
    """

    def __init__(self, distance):
        rng = np.random.default_rng(0)
        self.y = np.arange(SAMPLES) % CLASSES
        hot = np.eye(CLASSES)[self.y]
        noise = rng.standard_normal((SAMPLES, CLASSES))
        self.x = (hot + 0.03 * noise).astype("float32")
        noise = rng.standard_normal((CLASSES, CLASSES))
        self.kernel = distance * (np.eye(CLASSES) + 0.03 * noise)
        self.kernel = self.kernel.astype("float32")
        logits = self.x.astype(float) @ self.kernel.astype(float)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        pairs = self.p[:, :, None] * self.p[:, None, :]
        self.curvature = -pairs
        off = pairs * (1 - np.eye(CLASSES))
        index = np.arange(CLASSES)
        self.curvature[:, index, index] = off.sum(axis=2)
        self.residual = self.p * (1 - hot)
        self.residual -= hot * self.residual.sum(axis=1, keepdims=True)
        # A logit is a sum of four products: as many roundings of numbers up
        # to the largest, by which probabilities are off. As much again for
        # the sums over classes and samples.
        self.tolerance = 8 * EPSILON * np.abs(logits).max()

    def matrix(self, blocks, weight=1.0):
        """Jᵀ M J of (samples, classes, classes), by the flat kernel."""
        x = self.x.astype(float)
        scaled = blocks * np.reshape(weight, (-1, 1, 1))
        full = np.einsum("ni,nab,nj->iajb", x, scaled, x) / SAMPLES
        return full.reshape(CLASSES**2, CLASSES**2)

    def model(self, *heads, steps=None):
        shape = (CLASSES,) if steps is None else (steps, CLASSES)
        inputs = keras.Input(shape)
        outputs = layers.Dense(CLASSES, use_bias=False)(inputs)
        for head in heads:
            outputs = head(outputs)
        model = keras.Model(inputs, outputs)
        model.trainable_variables[0].assign(self.kernel)
        return model

    def check(self, found, expected):
        """Arrays that agree in norm, column by column, and largest first."""
        error = np.linalg.norm(found - expected, axis=0)
        assert np.all(
            error <= self.tolerance * np.linalg.norm(expected, axis=0)
        )


@pytest.fixture
def problem():
    return Problem(28.0)


def vectors():
    return np.random.default_rng(1).standard_normal((CLASSES**2, 3))


def activation(outputs):
    return layers.Activation("softmax")(outputs)


def tensorflows(outputs):
    return layers.Lambda(tf.nn.softmax)(outputs)


SPARSE = losses.SparseCategoricalCrossentropy
DENSE = losses.CategoricalCrossentropy
ROUTES = {
    "sparse logits": ((), SPARSE(from_logits=True)),
    "dense logits": ((), DENSE(from_logits=True)),
    "smoothed": ((), DENSE(from_logits=True, label_smoothing=0.1)),
    "softmax layer": ((layers.Softmax(),), SPARSE()),
    "softmax activation": ((activation,), DENSE()),
    "TensorFlow's softmax": ((tensorflows,), SPARSE()),
}


def data_for(problem, loss):
    dense = isinstance(loss, DENSE)
    return problem.x, np.eye(CLASSES)[problem.y] if dense else problem.y


@pytest.mark.parametrize("distance", [20.0, 60.0])
@pytest.mark.parametrize("route", ROUTES)
def test_products_of_well_classified_samples(route, distance):
    heads, loss = ROUTES[route]
    problem = Problem(distance)
    objective = ks.Objective(
        problem.model(*heads), *data_for(problem, loss), loss=loss
    )
    expected = problem.matrix(problem.curvature) @ vectors()
    for operator in (
        operators.HessianOperator,
        operators.GaussNewtonOperator,
        operators.FisherOperator,
    ):
        problem.check(operator(objective) @ vectors(), expected)


@pytest.mark.parametrize("route", ["sparse logits", "softmax activation"])
def test_slopes_of_well_classified_samples(problem, route):
    heads, loss = ROUTES[route]
    objective = ks.Objective(
        problem.model(*heads), *data_for(problem, loss), loss=loss
    )
    slope = problem.x.astype(float).T @ problem.residual / SAMPLES
    problem.check(objective.gradient(), slope.ravel())
    outer = problem.residual[:, :, None] * problem.residual[:, None, :]
    expected = problem.matrix(outer) @ vectors()
    empirical = operators.EmpiricalFisherOperator(objective)
    # Squares of what is off by the tolerance, and a factor of it.
    problem.tolerance *= 2
    problem.check(empirical @ vectors(), expected)
    # Whatever else is drawn has a probability of 1e-10 in all.
    drawn = operators.FisherOperator(
        objective, method="monte-carlo", num_samples=2
    )
    problem.check(drawn @ vectors(), expected)


def test_the_largest_eigenvalue(problem):
    loss = SPARSE(from_logits=True)
    objective = ks.Objective(problem.model(), problem.x, problem.y, loss=loss)
    found = ks.hessian_eigenvalues(objective, k=1, tolerance=1e-3)
    true = np.linalg.eigvalsh(problem.matrix(problem.curvature))[-1]
    # An eigenvalue is off by the square of the residual at most; and by the
    # products' errors.
    assert abs(found.eigenvalues[0] / true - 1) < 1e-5 + problem.tolerance


def likely(model, batch):
    x, y = batch
    p = tf.nn.softmax(model(x))
    return -tf.math.log(tf.gather(p, y, axis=1, batch_dims=1))


def log_likely(model, batch):
    x, y = batch
    return -tf.gather(keras.ops.log_softmax(model(x)), y, axis=1, batch_dims=1)


@pytest.mark.parametrize("loss", [likely, log_likely])
def test_a_callers_own_loss(problem, loss):
    objective = ks.Objective(
        problem.model(), problem.x, problem.y.astype("int64"), loss_fn=loss
    )
    expected = problem.matrix(problem.curvature) @ vectors()
    problem.check(objective.hessian_product(vectors()), expected)


def test_divergence_from_targets(problem):
    # Keras clips targets and predictions at 1e-7 from below: as all other
    # classes lie under that, -log p of the class is left.
    loss = losses.KLDivergence()
    model = problem.model(layers.Softmax())
    y = np.eye(CLASSES)[problem.y]
    objective = ks.Objective(model, problem.x, y, loss=loss)
    expected = problem.matrix(problem.curvature) @ vectors()
    problem.check(objective.hessian_product(vectors()), expected)


def test_sequences_with_weights_and_ranks(problem):
    steps = 4
    weight = np.random.default_rng(2).uniform(0.5, 2.0, SAMPLES)
    weight = weight.astype("float32")
    model = problem.model(layers.Softmax(), steps=steps)
    objective = ks.Objective(
        model,
        problem.x.reshape(-1, steps, CLASSES),
        problem.y.reshape(-1, steps),
        sample_weight=weight.reshape(-1, steps),
        loss=SPARSE(),
    )
    expected = (
        problem.matrix(problem.curvature, weight.astype(float)) @ vectors()
    )
    problem.check(objective.hessian_product(vectors()), expected)


def test_classes_along_another_axis(problem):
    # Images of 2 x 3 pixels, each a sample, with the classes first.
    def pixels(array):
        return np.moveaxis(array.reshape(-1, 2, 3, CLASSES), -1, 1)

    inputs = keras.Input((CLASSES, 2, 3))
    outputs = layers.Permute((2, 3, 1))(inputs)
    outputs = layers.Dense(CLASSES, use_bias=False)(outputs)
    outputs = layers.Permute((3, 1, 2))(outputs)
    model = keras.Model(inputs, outputs)
    model.trainable_variables[0].assign(problem.kernel)
    objective = ks.Objective(
        model,
        pixels(problem.x),
        pixels(np.eye(CLASSES)[problem.y]),
        loss=DENSE(from_logits=True, axis=1),
    )
    expected = problem.matrix(problem.curvature) @ vectors()
    problem.check(objective.hessian_product(vectors()), expected)


def test_several_outputs(problem):
    inputs = keras.Input((CLASSES,))
    outputs = {
        name: layers.Dense(CLASSES, use_bias=False, name=name)(inputs)
        for name in ("a", "b")
    }
    model = keras.Model(inputs, outputs)
    for variable in model.trainable_variables:
        variable.assign(problem.kernel)
    objective = ks.Objective(
        model,
        problem.x,
        {"a": problem.y, "b": problem.y},
        loss={name: SPARSE(from_logits=True) for name in outputs},
    )
    both = np.concatenate([vectors(), vectors()[::-1]])
    one = problem.matrix(problem.curvature)
    expected = np.concatenate([one @ vectors(), one @ vectors()[::-1]])
    found = operators.GaussNewtonOperator(objective) @ both
    problem.check(found, expected)
    problem.check(objective.hessian_product(both), expected)


@pytest.mark.parametrize("logit", [-40.0, -20.0, 20.0, 40.0])
@pytest.mark.parametrize("head", [None, "sigmoid"])
def test_the_binary_cross_entropy(logit, head):
    model = keras.Sequential(
        [keras.Input((1,)), layers.Dense(1, head, use_bias=False)]
    )
    model.layers[0].kernel.assign([[logit]])
    y = np.array([[float(logit > 0)]])
    loss = losses.BinaryCrossentropy(from_logits=head is None)
    objective = ks.Objective(model, np.ones((1, 1)), y, loss=loss)
    rest = 1 / (1 + np.exp(abs(logit)))
    fisher = operators.EmpiricalFisherOperator(objective)
    found = [
        objective.gradient()[0],
        (fisher @ [1.0])[0],
        np.ravel(objective.hessian_product([1.0]))[0],
    ]
    expected = [-np.sign(logit) * rest, rest**2, rest * (1 - rest)]
    # An exponential is off by two roundings, and there are a few more.
    np.testing.assert_allclose(found, expected, rtol=8 * EPSILON)


def test_what_underflows_is_said():
    # exp(-120) is 0 in float32, and with it all curvature.
    problem = Problem(120.0)
    objective = ks.Objective(
        problem.model(), problem.x, problem.y, loss=SPARSE(from_logits=True)
    )
    rows = {row.name: row for row in ks.check(objective).rows}
    assert rows["precision"].verdict == "fail"
    assert rows["precision"].value > 0.99


@pytest.mark.parametrize("distance", [60.0, 86.0, 120.0])
def test_eigenvalues_lie_within_what_they_report(distance):
    """Also at 86, where p is subnormal, and at 120, where it is 0."""
    problem = Problem(distance)
    objective = ks.Objective(
        problem.model(), problem.x, problem.y, loss=SPARSE(from_logits=True)
    )
    found = ks.hessian_eigenvalues(objective, k=2, tolerance=1e-4)
    true = np.linalg.eigvalsh(problem.matrix(problem.curvature))[:-3:-1]
    # The oracle's exponentials are of logits in float64, the network's are
    # rounded: that is no error of the search.
    rounded = problem.tolerance * true
    errors = np.abs(found.eigenvalues - true)
    assert np.all(errors <= found.residuals + rounded)
    assert np.all(found.residuals > 0.0)
