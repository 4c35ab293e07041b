"""Batches that grow at given epochs, or every so many."""

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import CheckpointError, GrowAt, GrowEvery

# 50 samples in batches of 10, 20 and 50: 5, 3 and 1 updates an epoch.
GROWING = GrowAt({1: 20, 3: 50}, initial=10)
UPDATES = 5 + 2 * 3 + 2 * 1


def test_updates_are_those_of_the_sizes(make_classifier, blobs):
    seen = []
    history = ks.train(
        make_classifier(),
        *blobs,
        batch_size=GROWING,
        epochs=5,
        progress=lambda done, total, logs: seen.append((done, total)),
    )
    np.testing.assert_array_equal(
        history.logged["batch_size"], [10, 20, 20, 50, 50]
    )
    assert history.num_updates == UPDATES == seen[-1][0]
    assert seen[-1] == (UPDATES, UPDATES)
    assert history.schedule["batch_sizes"] == {"0": 10, "1": 20, "3": 50}
    assert history.batch_size == 10


def test_an_epoch_is_that_of_its_own_batch_size(make_classifier, blobs):
    # One epoch of 10, then the same model, optimizer and order at 50: by
    # hand, what the schedule does at once. Full batches: no order to agree on.
    grown = make_classifier("sgd")
    history = ks.train(
        grown, *blobs, batch_size=GrowAt({1: 50}, initial=10), epochs=2
    )
    by_hand = make_classifier("sgd")
    ks.train(by_hand, *blobs, batch_size=10, epochs=1)
    second = ks.train(by_hand, *blobs, batch_size=50, epochs=1)
    # The order in which a sum over the whole batch is taken differs: 50 terms
    # of float32, each rounded to 6e-8 of at most 5.
    assert abs(history.loss[1] - second.loss[0]) < 50 * 5 * 6e-8


def test_growing_goes_on_from_a_checkpoint(
    make_classifier, blobs, assert_same_bits, tmp_path
):
    whole = make_classifier()
    expected = ks.train(whole, *blobs, batch_size=GROWING, epochs=5)

    def stop(done, total, logs):
        del total
        if logs["epoch"] == 3 and done > 7:
            raise KeyboardInterrupt

    model = make_classifier()
    options = {
        "batch_size": GROWING,
        "epochs": 5,
        "checkpoint": tmp_path / "training.npz",
    }
    with pytest.raises(KeyboardInterrupt):
        ks.train(model, *blobs, progress=stop, **options)
    model = make_classifier()
    history = ks.train(model, *blobs, **options)
    assert_same_bits(model, history, whole, expected)
    other = {**options, "batch_size": GrowAt({1: 20, 4: 50}, initial=10)}
    with pytest.raises(CheckpointError, match="batch_size_schedule"):
        ks.train(make_classifier(), *blobs, **other)


def test_sizes_by_a_factor_are_rounded_down_and_limited():
    every = GrowEvery(factor=1.5, epochs=2, initial=10, most=30)
    sizes = every.sizes(num_samples=1000, epochs=9)
    assert sizes == [10, 10, 15, 15, 22, 22, 30, 30, 30]
    assert every.sizes(num_samples=20, epochs=5) == [10, 10, 15, 15, 20]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (GrowAt({1: 60}, initial=10), "50 training samples"),
        (GrowAt({9: 20}, initial=10), "grows within 5 epochs"),
        (GrowEvery(epochs=5, initial=10), "grows within 5 epochs"),
        (GrowEvery(epochs=1, initial=50), "grows within 5 epochs"),
        (GrowEvery(epochs=1, initial=60), "from 1 to 50"),
    ],
)
def test_what_cannot_grow_is_refused_before_work(
    make_classifier, blobs, schedule, message
):
    model = make_classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        ks.train(model, *blobs, batch_size=schedule, epochs=5)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_that_shrink_are_refused():
    with pytest.raises(ValueError, match="grow from the initial 64"):
        GrowAt({3: 32})
    assert GrowAt({0: 8, 3: 32}).initial == 8
