"""Bundles of directions through one point."""

import numpy as np
import pytest

from keras_sharpness.landscape import (
    DirectionBundle,
    direction_bundle,
    random_directions,
)


def test_parabolas_of_a_quadratic(quadratic):
    """f(θ + α d) = ‖r + α X d‖² ∕ N, with r the residuals at θ."""
    objective, x, y = quadratic
    bundle = direction_bundle(objective, num_directions=3, seed=2)
    directions = random_directions(objective, num_directions=3, seed=2)
    r = x @ objective.weights - y
    expected = [
        [np.mean((r + alpha * (x @ d)) ** 2) for alpha in bundle.alphas]
        for d in directions
    ]
    # Float64 sums of a dozen terms.
    np.testing.assert_allclose(bundle.loss, expected, rtol=1e-12)
    np.testing.assert_allclose(
        bundle.lengths, np.linalg.norm(directions, axis=1), rtol=1e-15
    )
    assert bundle.groups == ("all layers",) * 3
    assert bundle.is_complete


def test_each_layer_alone(classifier, tmp_path):
    bundle = direction_bundle(
        classifier, num_directions=2, alphas=[-0.5, 0.0, 0.5], layers="each"
    )
    # The normalisation in between has no weights that move.
    names = ("hidden", "hidden", "output", "output")
    assert bundle.groups == names
    train = classifier["train"]
    for row, name in enumerate(names):
        d = random_directions(train, layers=name, num_directions=2)[row % 2]
        for column, alpha in enumerate(bundle.alphas):
            there = train.evaluate(train.weights + alpha * d)
            # Float32: 1e-7 for the weights, and for the sums of the loss.
            assert bundle.loss["train"][row, column] == pytest.approx(
                there["loss"], rel=1e-6
            )
            assert bundle.accuracy["train"][row, column] == there["accuracy"]
    assert bundle.num_evaluations == 2 * 12
    frame = bundle.to_frame()
    assert frame["group"].value_counts().to_dict() == {
        "hidden": 12,
        "output": 12,
    }
    bundle.save(tmp_path / "bundle.json")
    again = DirectionBundle.load(tmp_path / "bundle.json")
    np.testing.assert_array_equal(again.losses["test"], bundle.losses["test"])


def test_stopped_it_returns_what_is_there(quadratic):
    calls = iter(range(100))
    steps = []
    bundle = direction_bundle(
        quadratic[0],
        num_directions=2,
        alphas=[0.0, 1.0, 2.0],
        stop=lambda: next(calls) >= 4,
        progress=lambda *step: steps.append(step),
    )
    assert bundle.finished.tolist() == [[True] * 3, [True, False, False]]
    assert np.isnan(bundle.loss[1, 1:]).all()
    assert len(bundle.to_frame()) == 4
    assert steps[-1] == (4, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_directions": 0}, "num_directions=0"),
        ({"normalization": "unit"}, "normalization='unit'"),
        ({"alphas": [1.0, 0.0]}, "`alphas`"),
        ({"layers": "absent"}, "not among the trainable"),
        ({"center": np.zeros(6)}, "No weight would move"),
        ({"seed": 1.5}, "seed=1.5"),
    ],
)
def test_wrong_options(quadratic, options, message):
    with pytest.raises(ValueError, match=message):
        direction_bundle(quadratic[0], **options)
