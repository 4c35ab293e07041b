"""ε-sharpness during a training."""

import pytest

from keras_sharpness import Objective, epsilon_sharpness
from keras_sharpness.callbacks import EpsilonSharpness


def test_options_are_those_of_the_function(float64, build, data):
    options = {
        "epsilon": 5e-3,
        "subspace_dim": 20,
        "maximizer": "frank-wolfe",
        "max_iterations": 4,
        "seed": 3,
    }
    callback = EpsilonSharpness(*data, **options)
    model = build()
    logs = model.fit(*data, epochs=2, callbacks=[callback], verbose=0).history

    again = epsilon_sharpness(Objective(model, *data), **options)
    assert logs["epsilon_sharpness"][-1] == again.value
    assert callback.results[-1].epsilon == 5e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -1.0}, "`epsilon` must be a positive"),
        ({"subspace_dim": 51}, "from 1 to 50"),
        ({"batch_norm": "none"}, "`batch_norm` must be"),
    ],
)
def test_bad_options_are_refused_before_the_training(
    build, data, options, message
):
    model = build()
    with pytest.raises(ValueError, match=message):
        model.fit(
            *data, callbacks=[EpsilonSharpness(*data, **options)], verbose=0
        )
    assert int(model.optimizer.iterations) == 0
