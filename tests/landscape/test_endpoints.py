"""All that a model computes with belongs to the end point."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape.endpoints import StatePath, endpoint

MODES = ("inference", "batch", "recalibrate")
# Float32 sums of 64 samples through three layers, in another order.
CLOSE = {"rtol": 1e-5}
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(64, 4)).astype("float32")
Y = GENERATOR.normal(size=(64, 1)).astype("float32")


def network(seed, dtype="float32", epochs=2):
    """Frozen weights, moving statistics and a seed, all other than others'."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, "tanh", name="frozen", trainable=False),
            layers.Dense(5, name="hidden"),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=seed),
            layers.Activation("tanh"),
            layers.Dense(1, name="head"),
        ]
    )
    if dtype != "float32":
        model = keras.models.clone_model(
            model,
            clone_function=lambda layer: type(layer).from_config(
                {**layer.get_config(), "dtype": dtype}
            ),
        )
    model.compile("sgd", "mse")
    if epochs:
        model.fit(X, Y, epochs=epochs, verbose=0)
    return model


@pytest.fixture(scope="module")
def models():
    return [network(seed) for seed in (1, 2, 3)]


def mixed(models, shares):
    """A model whose every variable is the mixture: the rule by hand."""
    model = network(0, epochs=0)
    for variable, *values in zip(
        model.variables, *(m.variables for m in models), strict=True
    ):
        if "seed" not in variable.name:
            variable.assign(
                sum(c * v.numpy() for c, v in zip(shares, values, strict=True))
            )
    return model


def losses_of(models, mode):
    return [ks.Objective(m, X, Y, batch_norm=mode).value() for m in models]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("whose", [0, 1])
def test_a_line_ends_in_its_models(models, mode, whose):
    a, b, _ = models
    objective = ks.Objective(models[whose], X, Y, batch_norm=mode)
    line = ks.interpolate(objective, a, b, alphas=[0.0, 0.25, 1.0])
    between = mixed([a, b], [0.75, 0.25])
    np.testing.assert_allclose(
        line.loss, losses_of([a, between, b], mode), **CLOSE
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_vector_goes_with_the_objective(models, mode):
    a, b, _ = models
    objective = ks.Objective(a, X, Y, batch_norm=mode)
    other = ks.Objective(b, X, Y)
    line = ks.interpolate(objective, other.weights, b, alphas=[0.0, 1.0])
    np.testing.assert_allclose(
        line.loss,
        [objective.value(other.weights), losses_of([b], mode)[0]],
        **CLOSE,
    )
    alone = ks.interpolate(objective, other.weights, objective.weights)
    assert alone.moving_statistics == (
        "objective" if mode == "inference" else mode
    )


@pytest.mark.parametrize("mode", ["batch", "recalibrate"])
def test_a_curve_ends_in_its_models(models, mode):
    a, b, _ = models
    objective = ks.Objective(a, X, Y, batch_norm=mode)
    way = ks.landscape.connect_minima(
        objective, a, b, num_steps=2, learning_rate=1e-12, num_points=5
    )
    # The bend has not left the line, on which all mixes alike.
    quarter = mixed([a, b], [0.75, 0.25])
    expected = losses_of([a, quarter, b], mode)
    for losses in (way.losses["data"], way.line_losses["data"]):
        np.testing.assert_allclose(losses[[0, 1, 4]], expected, **CLOSE)
    for t, loss in zip(way.history_ts, way.history, strict=True):
        there = losses_of([mixed([a, b], [1 - t, t])], mode)[0]
        assert loss == pytest.approx(there, rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_plane_goes_through_its_models(models, mode):
    objective = ks.Objective(models[0], X, Y, batch_norm=mode)
    plane = ks.landscape.plane_through(objective, models)
    found = [
        ks.loss_surface(
            objective, plane, alphas=[p, p + 1], betas=[q, q + 1]
        ).loss[0, 0]
        for p, q in plane.anchors
    ]
    np.testing.assert_allclose(found, losses_of(models, mode), **CLOSE)


@pytest.mark.parametrize("mode", MODES)
def test_a_centre_is_itself(models, mode):
    a, b, _ = models
    objective = ks.Objective(a, X, Y, batch_norm=mode)
    (expected,) = losses_of([b], mode)
    axis = [0.0, 1.0]
    surface = ks.loss_surface(objective, b, alphas=axis, betas=axis)
    bundle = ks.landscape.direction_bundle(
        objective, b, num_directions=1, alphas=axis
    )
    plane = ks.landscape.random_plane(objective, b)
    way = ks.landscape.project_trajectory(objective, plane, [a, b])
    np.testing.assert_allclose(
        [
            surface.loss[0, 0],
            bundle.loss[0, 0],
            way.losses["data"][1],
            way.plane_losses["data"][1],
        ],
        [expected] * 4,
        **CLOSE,
    )
    np.testing.assert_allclose(
        way.losses["data"][0], objective.value(), **CLOSE
    )


@pytest.mark.parametrize("mode", MODES)
def test_eigenvectors_are_those_of_the_centre(models, mode):
    a, b, _ = models
    plane = ks.landscape.hessian_plane(
        ks.Objective(a, X, Y, batch_norm=mode), b, tolerance=1e-4
    )
    own = ks.hessian_eigenvalues(
        ks.Objective(b, X, Y, batch_norm=mode), k=2, tolerance=1e-4
    )
    # Two residuals of 1e-4 of the largest.
    np.testing.assert_allclose(
        plane.made["eigenvalues"], own.eigenvalues, rtol=3e-4
    )


def test_an_operator_holds_its_state():
    model = network(1, epochs=0)
    operator = ks.metrics.HessianOperator(ks.Objective(model, X, Y))
    v = np.random.default_rng(0).normal(size=operator.shape[0])
    before = operator @ v
    for variable in model.non_trainable_variables:
        if "seed" not in variable.name:
            variable.assign(2.0 * variable)
    np.testing.assert_array_equal(operator @ v, before)


def test_half_precision_mixes():
    a, b = (network(seed, "bfloat16", epochs=0) for seed in (1, 2))
    objective = ks.Objective(a, X, Y)
    for value, model in ((1.0, a), (3.0, b)):
        model.layers[2].moving_mean.assign(np.full(5, value))
    path = StatePath(
        objective, *(endpoint(m, "end", objective) for m in (a, b))
    )
    names = [v.name for v in a.non_trainable_variables]
    middle = path.at(0.5, 0.5)[names.index("moving_mean")]
    np.testing.assert_array_equal(np.asarray(middle, "float32"), np.full(5, 2))


def test_other_frozen_layers_are_refused():
    def two_layers(frozen):
        model = keras.Sequential(
            [keras.Input((4,)), *(keras.layers.Dense(4) for _ in range(2))]
        )
        model.layers[frozen].trainable = False
        model.compile("sgd", "mse")
        return model

    targets = np.zeros((64, 4), "float32")
    objective = ks.Objective(two_layers(0), X, targets)
    # Shapes alone do not tell them apart.
    with pytest.raises(ValueError, match="other layers are frozen"):
        ks.interpolate(objective, objective.model, two_layers(1))


class Scaled(keras.layers.Layer):
    """Multiplies by a whole number, or only counts."""

    def __init__(self, counts_only):
        super().__init__()
        self.counts_only = counts_only
        self.count = self.add_weight(
            shape=(), dtype="int32", initializer="ones", trainable=False
        )

    def call(self, x):
        if self.counts_only:
            return x
        return x * keras.ops.cast(self.count, x.dtype)


@pytest.mark.parametrize("counts_only", [True, False])
def test_counters_mix_only_where_they_do_nothing(counts_only):
    models = []
    for count in (3, 5):
        layer = Scaled(counts_only)
        model = keras.Sequential(
            [keras.Input((4,)), layer, keras.layers.Dense(1)]
        )
        layer.count.assign(count)
        model.compile("sgd", "mse")
        models.append(model)
    objective = ks.Objective(models[0], X, Y)
    if not counts_only:
        with pytest.raises(ValueError, match=r"/variable.*whole numbers"):
            ks.interpolate(objective, *models)
        return
    line = ks.interpolate(objective, *models, alphas=[0.0, 1.0])
    np.testing.assert_allclose(
        line.loss, losses_of(models, "inference"), **CLOSE
    )


def test_quantised_kernels_do_not_mix():
    keras.utils.set_random_seed(0)
    base = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)]
    )
    models = []
    for scale in (1.0, 1.0, -1.0):
        model = keras.models.clone_model(base)
        model.set_weights([scale * np.asarray(w) for w in base.get_weights()])
        for layer in model.layers:
            layer.quantize("int8")
        model.layers[0].bias.assign(np.full(8, float(len(models))))
        model.compile("sgd", "mse")
        models.append(model)
    objective = ks.Objective(models[0], X, Y)
    line = ks.interpolate(objective, *models[:2], alphas=[0.0, 1.0])
    np.testing.assert_allclose(
        line.loss, losses_of(models[:2], "inference"), **CLOSE
    )
    with pytest.raises(ValueError, match=r"kernel.*quantised kernels"):
        ks.interpolate(objective, models[0], models[2])
