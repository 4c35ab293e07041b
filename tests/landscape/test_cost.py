"""What work will cost."""

import pytest

from keras_sharpness.landscape import (
    estimate_cost,
)


def test_cost_counts_and_measures(classifier):
    train = classifier["train"]
    before = train.count
    cost = estimate_cost(classifier, 625, num_gradients=3)
    assert cost.num_evaluations == 1250
    assert train.count - before == 3
    assert cost.seconds == pytest.approx(
        625 * cost.seconds_per_point + 3 * cost.seconds_per_gradient
    )
    assert cost.seconds_per_gradient > 0.0
    with pytest.raises(ValueError, match="num_points=-1"):
        estimate_cost(train, -1)
