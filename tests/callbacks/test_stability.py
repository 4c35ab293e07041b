"""Limits of stability, against Keras' own optimizers on a parabola."""

import keras
import numpy as np
import pytest

from keras_sharpness.callbacks._measurement import NotDefinedYet
from keras_sharpness.callbacks._stability import check_optimizer, stability_of

SGD, Adam, RMSprop = (
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.RMSprop,
)
# The preconditioner must stand still, so the means hardly move: by 1e-5 of
# themselves at each of 80 steps.
OPTIMIZERS = {
    "sgd": lambda: SGD(0.2),
    "momentum": lambda: SGD(0.2, momentum=0.9),
    "nesterov": lambda: SGD(0.2, momentum=0.8, nesterov=True),
    "schedule": lambda: SGD(
        keras.optimizers.schedules.PiecewiseConstantDecay([10], [9.0, 0.2])
    ),
    "adam": lambda: Adam(0.02, beta_2=0.99999),
    "amsgrad": lambda: Adam(0.02, 0.8, beta_2=0.99999, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.02, 0.0, beta_2=0.99999),
    "rmsprop": lambda: RMSprop(0.02, 0.99999),
    "centered": lambda: RMSprop(0.02, 0.99999, momentum=0.5, centered=True),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        Adam(0.02, beta_2=0.99999), initial_scale=1.0
    ),
}


def prepared(name):
    """The optimizer of one weight, as after many steps of one size."""
    optimizer = OPTIMIZERS[name]()
    weight = keras.Variable([1e-6], dtype="float32")
    optimizer.build([weight])
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # Adam's corrections have ended: 0.99999 to this power is below 1e-8.
    inner._iterations.assign(2_000_000)
    for state in ("_velocities", "_velocity_hats"):
        for variable in getattr(inner, state, []):
            variable.assign([0.09])
    return optimizer, weight


def growth(name, curvature):
    """How much larger the weight gets in 80 steps, and is after them."""
    optimizer, weight = prepared(name)
    largest = []
    for _ in range(80):
        optimizer.apply([curvature * keras.ops.convert_to_tensor(weight)])
        largest.append(abs(float(weight[0])))
    return max(largest) / 1e-6, max(largest[-4:]) / 1e-6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_converge_below_the_threshold_and_diverge_above(name):
    optimizer, weight = prepared(name)
    stability = stability_of(optimizer, [weight])
    limit = stability.threshold
    if stability.preconditioner is not None:
        limit *= float(stability.preconditioner[0][0])
    rate = 0.02 if stability.preconditioner else 0.2
    assert stability.learning_rate == pytest.approx(rate)
    # A tenth beyond the edge the slowest, GD, grows by 1.2 a step; a tenth
    # below it shrinks by 0.8, and by √0.95 where momentum of 0.9 oscillates.
    assert growth(name, 0.9 * limit)[1] < 0.2
    assert growth(name, 1.1 * limit)[0] > 100.0


def test_the_thresholds_of_the_papers():
    assert stability_of(SGD(0.1), []).threshold == pytest.approx(20.0)
    # 38/η, Cohen et al. 2022; float32 holds η to 6e-8.
    optimizer = prepared("adam")[0]
    assert stability_of(optimizer, []).threshold == pytest.approx(
        38 / 0.02, rel=1e-6
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_length_zero_are_stable_everywhere(name):
    optimizer, weight = prepared(name)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # As schedules end: the rate of the next step is 0.
    inner._learning_rate = keras.optimizers.schedules.PolynomialDecay(
        0.1, 100, 0.0
    )
    stability = stability_of(optimizer, [weight])
    assert stability.learning_rate == 0.0
    assert stability.threshold == np.inf


def test_adam_divides_by_corrected_means():
    optimizer, weight = prepared("adam")
    optimizer._iterations.assign(3)
    optimizer._velocities[0].assign([0.04])
    (p,) = stability_of(optimizer, [weight]).preconditioner
    # One step at which m is 1 before and after it moves the weight by η/P.
    optimizer._momentums[0].assign([1.0])
    optimizer._iterations.assign(2)  # the step to come is the third
    before = float(weight[0])
    # A gradient of 1 leaves m; v moves by 1e-5 of its distance to 1.
    optimizer.apply([keras.ops.ones((1,))])
    moved = before - float(weight[0])
    # (1 - 0.04) 1e-5 / 0.04 / 2 of v, and float32's 0.99999³, whose distance
    # to 1 is good to 6e-8 / 3e-5.
    assert 0.02 / moved == pytest.approx(p[0], rel=5e-3)


def test_no_preconditioner_before_the_first_step():
    for optimizer in (Adam(), RMSprop()):
        with pytest.raises(NotDefinedYet, match="taken no step"):
            stability_of(optimizer, [])


def test_other_optimizers_are_refused():
    class Mine(Adam):
        def update_step(self, gradient, variable, learning_rate):
            """Does nothing."""

    for optimizer in (keras.optimizers.Lion(), Mine(), None):
        with pytest.raises(ValueError, match="SGD, Adam, RMSprop and AdamW"):
            check_optimizer(optimizer)
    for build in OPTIMIZERS.values():
        check_optimizer(build())


def test_values_are_those_of_each_variable():
    one, other = (keras.Variable(np.ones(shape)) for shape in ((2, 3), (4,)))
    optimizer = RMSprop()
    optimizer.build([one, other])
    optimizer._iterations.assign(1)
    optimizer._velocities[1].assign(np.full(4, 9.0))
    first, second = stability_of(optimizer, [other, one]).preconditioner
    np.testing.assert_allclose(first, np.full(4, 3.0), rtol=1e-7)
    # √ε, ε being 1e-7.
    np.testing.assert_allclose(second, np.full((2, 3), 1e-7**0.5), rtol=1e-6)
