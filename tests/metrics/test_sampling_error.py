"""Bootstrap errors against fresh data sets and against exact variances."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective, hessian_eigenvalues
from keras_sharpness.metrics.sampling_error import sampling_error
from keras_sharpness.results import Result

SCALES = np.array([2.0, 1.0, 0.5])


def linear_model():
    """y = xᵀw with w = 0: the losses are y², the Hessian is 2 X ᵀX / N."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile(loss="mse")
    model.set_weights([np.zeros((3, 1))])
    return model


def draw(num_samples, seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((num_samples, 3)) * SCALES
    return x, generator.standard_normal((num_samples, 1))


def top_of(x):
    return np.linalg.eigvalsh(2 * x.T @ x / len(x))[-1]


def top(objective):
    """The largest eigenvalue of a Hessian of three weights."""
    return np.linalg.eigvalsh(objective.hessian_product(np.eye(3)))[-1]


def loss(objective):
    return objective.value()


def test_error_of_the_mean_loss_is_the_textbook_one(float64):
    x, y = draw(400, 0)
    objective = Objective(linear_model(), x, y, batch_size=150)
    found = sampling_error(objective, loss, num_replicates=400)
    losses = np.ravel(y) ** 2
    assert found.value == pytest.approx(np.mean(losses), rel=1e-12)
    # s / √n. The standard deviation of 400 replicates is good to 1/√800 =
    # 3.5 %; three of these.
    expected = np.std(losses, ddof=1) / np.sqrt(400)
    assert found.standard_error == pytest.approx(expected, rel=0.11)
    # The mean of 400 replicates, within four of its standard errors.
    assert abs(found.bias) < 4 * expected / np.sqrt(400)
    # Student's quantile of 399 degrees of freedom.
    for bound, place in ((found.lower, -1.966), (found.upper, 1.966)):
        reach = (bound - found.value) / found.standard_error
        assert reach == pytest.approx(place, abs=1e-3)
    assert (found.unit, found.num_units, found.num_drawn) == (
        "sample",
        400,
        400,
    )


def test_intervals_of_few_replicates_hold_the_truth(float64):
    """On 60 data sets with ten replicates; their percentiles do in 80 %."""
    held = 0
    for seed in range(60):
        x, y = draw(100, seed)
        objective = Objective(linear_model(), x, y)
        found = sampling_error(objective, loss, num_replicates=10, seed=seed)
        # The mean square of a standard normal deviate.
        held += found.lower <= 1.0 <= found.upper
    # 94 % for its skewed squares: 56.4 of 60, less three deviations of 1.8.
    assert held >= 51


def test_error_of_an_eigenvalue_is_that_over_fresh_data(float64):
    """The truth is simulated in NumPy, without the bootstrap."""
    num_samples = 1000
    fresh = [top_of(draw(num_samples, seed)[0]) for seed in range(1000, 2000)]
    truth = np.std(fresh, ddof=1)
    model = linear_model()
    found = [
        float(
            sampling_error(
                Objective(model, *draw(num_samples, seed)),
                top,
                num_replicates=50,
                seed=seed,
            ).standard_error
        )
        for seed in range(4)
    ]
    # One bootstrap error is off by 1/√100 = 10 % for its 50 replicates, and by
    # √(14 / 4000) = 6 % for its data, whose (uᵀx)² has the excess of χ² with
    # one degree of freedom; together 12 %, the root mean square of four 6 %,
    # the truth 2 %. Three of these are 19 %.
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(truth, rel=0.19)


def test_few_samples_overrate_the_largest_eigenvalue(float64):
    """Against fresh sets of ten samples; the truth has 2 three times."""
    x, y = draw(1000, 3)
    objective = Objective(linear_model(), x / SCALES, y)
    found = sampling_error(objective, top, num_replicates=40, num_samples=10)
    fresh = [
        top_of(draw(10, seed)[0] / SCALES) - 2.0 for seed in range(1000, 2000)
    ]
    # Mean of 40 replicates, each as scattered as the fresh ones; four of its
    # standard errors.
    allowed = 4 * np.std(fresh) / np.sqrt(40)
    assert found.bias == pytest.approx(np.mean(fresh), abs=allowed)
    # It is a bias, not chance.
    assert found.bias > allowed
    assert (found.num_samples, found.num_drawn) == (10, 10)


def test_batches_of_a_data_set_are_drawn_whole(float64):
    x, y = draw(300, 4)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)  # the last: 4
    objective = Objective(linear_model(), data)
    seen = []

    def sizes_and_loss(other):
        seen.append(other.num_samples)
        return other.value()

    found = sampling_error(objective, sizes_and_loss, num_replicates=60)
    assert (found.unit, found.num_units) == ("batch", 38)
    # 38 batches of 8, or one or more of 4 among them.
    assert seen[0] == 300
    assert all(size % 4 == 0 and size <= 304 for size in seen)
    means = [np.mean(y[i : i + 8] ** 2) for i in range(0, 300, 8)]
    weights = np.array([8.0] * 37 + [4.0]) / 300
    # The linearised error of a weighted mean; 1/√120 = 9 % for 60 replicates,
    # three times.
    expected = np.sqrt(38 / 37 * np.sum((weights * (means - found.value)) ** 2))
    assert found.standard_error == pytest.approx(expected, rel=0.27)


def normalising_model():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile(loss="mse")
    return model


def test_batch_statistics_keep_the_batches(float64):
    x, y = draw(40, 5)
    model = normalising_model()
    objective = Objective(model, x, y, batch_size=4, batch_norm="batch")
    found = sampling_error(objective, loss, num_replicates=3, seed=7)
    assert found.unit == "batch"
    generator = np.random.default_rng(7)
    for replicate in found.replicates:
        chosen = np.sort(generator.integers(10, size=10))
        rows = (4 * chosen[:, None] + np.arange(4)).ravel()
        again = Objective(
            model, x[rows], y[rows], batch_size=4, batch_norm="batch"
        )
        # The same sums in float64.
        assert replicate == pytest.approx(again.value(), rel=1e-12)


@pytest.mark.parametrize("batch_norm", ["inference", "recalibrate"])
def test_a_replicate_is_the_objective_on_its_samples(batch_norm, float64):
    x, y = draw(40, 6)
    weight = np.linspace(0, 2, 40)
    model = normalising_model()
    options = {"batch_size": 16, "batch_norm": batch_norm}
    objective = Objective(model, x, y, sample_weight=weight, **options)
    measured = []

    def measure(other):
        measured.append(other.gradient())
        return other.value()

    found = sampling_error(objective, measure, num_replicates=3, seed=8)
    generator = np.random.default_rng(8)
    for replicate, gradient in zip(found.replicates, measured[1:], strict=True):
        rows = np.sort(generator.integers(40, size=40))
        again = Objective(
            model, x[rows], y[rows], sample_weight=weight[rows], **options
        )
        # The same sums in float64.
        assert replicate == pytest.approx(again.value(), rel=1e-12)
        np.testing.assert_allclose(gradient, again.gradient(), rtol=1e-10)


def test_nothing_is_traced_anew_and_nothing_changes():
    layer_calls = []

    class Counting(keras.layers.Dense):
        def call(self, inputs):
            layer_calls.append(0)
            return super().call(inputs)

    model = keras.Sequential([keras.Input((3,)), Counting(1)])
    model.compile(loss="mse")
    weights = [w.tobytes() for w in model.get_weights()]
    # The last batch is shorter, so that both shapes are known beforehand.
    objective = Objective(model, *draw(50, 9), batch_size=20)

    def top(objective):
        return np.sum(objective.hessian_product(np.eye(4)))

    before = top(objective)
    value = objective.value()
    count = len(layer_calls)
    sampling_error(objective, lambda o: top(o) + o.value(), seed=1)
    assert len(layer_calls) == count
    assert top(objective) == before
    assert objective.value() == value
    assert objective.num_samples == 50
    assert [w.tobytes() for w in model.get_weights()] == weights


def test_arrays_results_and_round_trip(tmp_path):
    x, y = draw(60, 10)
    objective = Objective(linear_model(), x, y)
    steps = []
    found = sampling_error(
        objective,
        lambda o: hessian_eigenvalues(o, k=2, progress=False),
        num_replicates=4,
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1] == (5, 5)
    assert found.replicates.shape == (4, 2)
    assert found.to_frame()["standard_error"].shape == (2,)
    again = sampling_error(
        objective,
        lambda o: hessian_eigenvalues(o, k=2, progress=False).eigenvalues,
        num_replicates=4,
    )
    np.testing.assert_array_equal(found.replicates, again.replicates)
    found.save(tmp_path / "error.json")
    loaded = Result.load(tmp_path / "error.json")
    for field in dataclasses.fields(found):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(found, field.name)
        )


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        (loss, {"num_replicates": 1}, "`num_replicates` must be an integer"),
        (loss, {"num_samples": 0}, "from 1 to 30"),
        (loss, {"num_samples": 31}, "from 1 to 30"),
        (3.0, {}, "`measure` must be a function"),
        (lambda o: "much", {}, "Received: str"),
    ],
)
def test_bad_options_name_the_remedy(measure, options, message):
    objective = Objective(linear_model(), *draw(30, 0))
    with pytest.raises(ValueError, match=message):
        sampling_error(objective, measure, **options)


def test_a_measure_of_changing_shape_is_refused():
    objective = Objective(linear_model(), *draw(30, 0))
    shapes = iter(range(1, 9))
    with pytest.raises(ValueError, match="numbers of one shape"):
        sampling_error(objective, lambda o: np.zeros(next(shapes)))
    with pytest.raises(FloatingPointError, match="on all data"):
        sampling_error(objective, lambda o: np.nan)


def test_one_batch_is_refused_and_few_are_warned_of():
    model = normalising_model()
    one = Objective(model, *draw(30, 0), batch_norm="batch")
    with pytest.raises(ValueError, match="smaller batches"):
        sampling_error(one, loss)
    few = Objective(model, *draw(30, 0), batch_norm="batch", batch_size=10)
    with pytest.warns(UserWarning, match="3 batches"):
        sampling_error(few, loss)
    with pytest.raises(ValueError, match="must be an Objective"):
        sampling_error(np.eye(3), loss)
