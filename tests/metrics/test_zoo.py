"""Curvature of all kinds of Keras models against differences of gradients."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from tests.zoo import functions, images, sequences, structures
from tests.zoo.case import BATCH_SIZE, BUILDERS

MODULES = (functions, images, sequences, structures)


def zoo_objective(name, batch_size=BATCH_SIZE):
    keras.utils.set_random_seed(0)
    case = BUILDERS[name]()
    before = bits(case.model)
    options = {"batch_size": batch_size, **case.options}
    return case, before, Objective(case.model, *case.data, **options)


def slope(function, w, v, step):
    """The derivative along v, by differences of two steps: error O(h⁴)."""
    wide, narrow = (
        (function(w + h * v) - function(w - h * v)) / (2 * h)
        for h in (step, step / 2)
    )
    return (4 * narrow - wide) / 3


def bits(model):
    """All bits of a model: variables, seeds, what `compile` made."""
    compiled_loss = getattr(model, "_compile_loss", None)
    compiled = {} if compiled_loss is None else vars(compiled_loss)
    return (
        [np.asarray(v.numpy()).tobytes() for v in model.variables],
        {name: repr(value) for name, value in compiled.items()},
        [
            (layer.trainable, vars(layer).get("use_cudnn"), layer.call.__name__)
            for layer in model._flatten_layers()
        ],
    )


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_derivatives_equal_differences_and_the_model_stays(name, float64):
    # In equal batches, for which each function is traced once; a short last
    # one is part of the other tests.
    case, before, objective = zoo_objective(name, batch_size=6)
    w = objective.weights
    generator = np.random.default_rng(3)
    v = generator.standard_normal((objective.size, 2))
    v /= np.linalg.norm(v, axis=0)
    # Error of a difference: h⁴ times the fifth derivative, and rounding
    # ε‖g‖ / h, of which there are eight parts for 12 samples in two batches.
    epsilon, step, tolerance = (
        (np.finfo("float32").eps, 3e-2, 1e-3)
        if case.is_single
        else (np.finfo("float64").eps, 1e-4, 1e-9)
    )
    gradient = objective.gradient()
    rounding = 50 * epsilon * np.linalg.norm(gradient) / step
    error = slope(objective.value, w, v[:, 0], step) - gradient @ v[:, 0]
    # The loss itself, of size 1, is rounded too.
    assert abs(error) < (
        tolerance * np.linalg.norm(gradient)
        + rounding
        + 50 * epsilon * max(abs(objective.value()), 1e-2) / step
    )

    block = objective.hessian_product(v)
    expected = slope(objective.gradient, w, v[:, 0], step)
    product = block[:, 0]
    scale = np.linalg.norm(expected)
    assert scale > 0
    for path, part in objective.layout.slices.items():
        # Each variable on its own: a missing part of a small one must show.
        error = np.linalg.norm(product[part] - expected[part])
        size = np.linalg.norm(expected[part]) + 1e-3 * scale
        assert error < tolerance * size + rounding, path
    assert bits(case.model) == before


@pytest.mark.parametrize(
    "name",
    [
        "embedding",
        "shared_layer",
        "outputs_in_a_dict",
        "batch_normalisation_by_batch",
        "resizing_bilinear",
    ],
)
def test_a_block_equals_its_columns(name, float64):
    _, _, objective = zoo_objective(name)
    v = np.random.default_rng(4).standard_normal((objective.size, 3))
    block = objective.hessian_product(v)
    # The same operations, but for the order of some sums.
    np.testing.assert_allclose(
        objective.hessian_product(v[:, 1]),
        block[:, 1],
        rtol=0,
        atol=1e-12 * np.linalg.norm(block[:, 1]),
    )


@pytest.mark.parametrize(
    "name",
    [
        "added_loss",
        "an_output_without_a_loss",
        "losses",
        "masked_gru_with_a_loss_per_step",
        "outputs_in_a_dict",
        "outputs_in_a_list",
        "own_train_step_and_loss",
        "regularised",
        "transformer_block",
    ],
)
def test_the_value_is_what_keras_reports(name, float64):
    case, _, objective = zoo_objective(name)
    expected = case.model.evaluate(
        *case.data,
        sample_weight=case.options.get("sample_weight"),
        batch_size=BATCH_SIZE,
        verbose=0,
        return_dict=True,
    )
    # Float64 sums of 12 samples, weighted by batch in another order.
    assert objective.value() == pytest.approx(expected["loss"], rel=1e-13)


def test_class_weights_are_those_of_fit(float64):
    case, _, objective = zoo_objective("class_weights")
    x, y = case.data
    weights = np.array([0.5, 1.0, 3.0])[y]
    by_sample = Objective(case.model, x, y, sample_weight=weights)
    assert objective.value() == pytest.approx(by_sample.value(), rel=1e-13)
    one_hot = keras.losses.CategoricalCrossentropy(from_logits=True)
    same = Objective(
        case.model,
        x,
        np.eye(3)[y],
        loss=one_hot,
        class_weight=case.options["class_weight"],
    )
    assert objective.value() == pytest.approx(same.value(), rel=1e-13)
    with pytest.raises(ValueError, match="exclude each other"):
        Objective(case.model, x, y, class_weight={0: 2}, sample_weight=weights)
    with pytest.raises(ValueError, match="dict of class number"):
        Objective(case.model, x, y, class_weight=[1, 2, 3])


def test_an_own_function_may_return_the_mean(float64):
    case, _, objective = zoo_objective("own_function_without_targets")
    (x,) = case.data

    def mean(model, batch):
        return keras.ops.mean(structures.contrast(model, batch))

    by_mean = Objective(case.model, x, loss_fn=mean, batch_size=BATCH_SIZE)
    assert by_mean.value() == pytest.approx(objective.value(), rel=1e-14)
    with pytest.raises(ValueError, match="one loss for each sample"):
        Objective(
            case.model, x, loss_fn=lambda model, batch: model(batch["image"])
        )


def test_an_own_function_sees_what_the_data_yield(float64):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    x, y = np.eye(3), np.ones((3, 1))
    weights = np.array([1.0, 2.0, 0.0])

    def weighted_squares(model, batch):
        x, y, weight = batch
        return weight * (model(x)[:, 0] - y[:, 0]) ** 2

    own = Objective(
        model, x, y, sample_weight=weights, loss_fn=weighted_squares
    )
    given = Objective(model, x, y, sample_weight=weights, loss="mse")
    assert own.value() == pytest.approx(given.value(), rel=1e-14)
    v = np.arange(4.0)
    np.testing.assert_allclose(
        own.hessian_product(v), given.hessian_product(v), rtol=1e-13
    )
    assert list(own.evaluate()) == ["loss"]


def test_recalibrated_products_hold_the_statistics(float64):
    """Recalibrated statistics, put into the model, give the same numbers."""
    keras.utils.set_random_seed(0)
    case = images.batch_normalisation()
    recalibrated = Objective(case.model, *case.data, batch_norm="recalibrate")
    v = np.random.default_rng(0).standard_normal(recalibrated.size)
    product = recalibrated.hessian_product(v)
    state = recalibrated._moments.estimate(case.model.non_trainable_variables)
    for variable, value in zip(
        case.model.non_trainable_variables, state, strict=True
    ):
        variable.assign(value)
    frozen = Objective(case.model, *case.data)
    np.testing.assert_allclose(product, frozen.hessian_product(v), rtol=1e-10)


def test_frozen_layers_leave_their_weights_out(float64):
    case, _, objective = zoo_objective("frozen_layers")
    *_, before_last, last = case.model.layers
    kept = [*before_last.variables, *last.variables]
    assert objective.layout.paths == tuple(v.path for v in kept)
    assert objective.size == 4 * 4 + 4 + 4 * 2 + 2


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [
        # Rounding of 2⁻⁸ and 2⁻¹¹ in each of some ten operations.
        ("mixed_bfloat16", 5e-2),
        ("mixed_float16", 5e-3),
    ],
)
def test_mixed_precision_is_good_to_its_rounding(policy, tolerance):
    x = np.random.default_rng(0).standard_normal((4000, 6)).astype("float32")
    y = np.random.default_rng(1).integers(0, 3, 4000)

    def build(policy):
        keras.utils.set_random_seed(0)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(8, "tanh", dtype=policy),
                layers.LayerNormalization(dtype=policy),
                layers.Dense(8, "gelu", dtype=policy),
                layers.Dense(3, dtype=policy),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return Objective(model, x, y, loss=loss)

    half, full = build(policy), build("float32")
    assert half.value() == pytest.approx(full.value(), rel=tolerance / 10)
    gradient = full.gradient()
    error = np.linalg.norm(half.gradient() - gradient)
    assert error < tolerance * np.linalg.norm(gradient)
    v = np.random.default_rng(2).standard_normal(full.size)
    expected = full.hessian_product(v)
    # float16 has nothing below 6e-8: without scaling, little of the second
    # column would be left.
    block = half.hessian_product(np.stack([v, 1e-6 * v], axis=1))
    for column, scale in zip(block.T, (1, 1e-6), strict=True):
        error = np.linalg.norm(column / scale - expected)
        assert error < tolerance * np.linalg.norm(expected)


def test_a_network_of_keras_applications_runs():
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=10
    )
    x = np.random.default_rng(0).random((4, 32, 32, 3), dtype="float32")
    objective = Objective(
        model,
        x,
        np.arange(4),
        loss="sparse_categorical_crossentropy",
        check_repeatability=False,
    )
    v = np.random.default_rng(1).standard_normal(objective.size)
    product = objective.hessian_product(v)
    assert np.all(np.isfinite(product))
    assert np.linalg.norm(product) > 0
