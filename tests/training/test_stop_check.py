"""Training to a given loss on the whole training set."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training.stop_check import StopCheck


def regression():
    """y = 2 x, w = 0: every update multiplies w − 2 by the same factor."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse")
    x = np.ones((40, 1), "float32")
    return model, x, 2 * x


def test_training_stops_within_the_epoch_near_the_loss():
    # f = (w − 2)² and w − 2 → 0.9 (w − 2): f = 4 · 0.81ᵘ after u updates. It
    # is at most 0.01 after u = 29 (0.0089; 0.0110 after 28). An epoch has 20
    # updates. After the first one f = 0.059, above five times the target: two
    # epochs would be done; within the second there is no other check.
    model, x, y = regression()
    history = ks.train(
        model, x, y, batch_size=2, epochs=9, stop_loss=0.01, progress=False
    )
    assert history.num_updates == 40
    assert history.stop_reason == "loss"
    assert history.is_converged is True
    # With 0.015 the first epoch ends below its fivefold: checks every ten
    # updates, the first of them, at u = 30, finds 0.0072.
    model, x, y = regression()
    history = ks.train(
        model, x, y, batch_size=2, epochs=9, stop_loss=0.015, progress=False
    )
    assert history.num_updates == 30
    # By hand in float64; 30 products of float32 round to 30 · 6e-8 each.
    np.testing.assert_allclose(
        history.logged["train_loss"], [4 * 0.81**20, 4 * 0.81**30], rtol=1e-5
    )
    assert model.evaluate(x, y, verbose=0) <= 0.015


def test_checks_come_closer_near_the_loss():
    check = StopCheck(lambda: 0.0, 0.01)
    intervals = []
    for last in (1.0, 0.051, 0.05, 0.025, 0.015):
        check.last = last
        intervals.append(check.interval(80))
    assert intervals == [80, 80, 40, 20, 10]
    assert check.interval(3) == 1


def test_a_loss_out_of_reach_is_marked():
    model, x, y = regression()
    history = ks.train(
        model, x, y, batch_size=20, epochs=3, stop_loss=-1.0, progress=False
    )
    assert history.stop_reason == "epochs"
    assert history.is_converged is False
    assert ks.train(model, x, y, epochs=1, batch_size=9).is_converged is None


def test_dropout_is_off_and_statistics_are_kept(make_classifier, blobs):
    model = make_classifier(dropout=0.5)
    history = ks.train(model, *blobs, batch_size=10, epochs=2, stop_loss=0.0)
    # Measured as `evaluate` does, whose sums are in float32: 50 losses.
    measured = model.evaluate(*blobs, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(
        history.logged["train_loss"][-1], measured, rtol=50 * 6e-8
    )


def test_checks_change_no_bit_of_the_training(make_classifier, blobs):
    plain, checked = make_classifier(dropout=0.5), make_classifier(dropout=0.5)
    expected = ks.train(plain, *blobs, batch_size=5, epochs=4)
    history = ks.train(checked, *blobs, batch_size=5, epochs=4, stop_loss=0.0)
    for one, other in zip(
        plain.get_weights(), checked.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(history.loss, expected.loss)


def test_it_goes_on_from_a_checkpoint(
    make_classifier, blobs, assert_same_bits, tmp_path
):
    options = {"batch_size": 5, "epochs": 60, "stop_loss": 0.5}
    whole = make_classifier()
    expected = ks.train(whole, *blobs, **options)
    assert expected.stop_reason == "loss"
    assert expected.epoch[-1] > 3

    def stop(done, total, logs):
        del done, total
        if logs["epoch"] == expected.epoch[-1]:
            raise KeyboardInterrupt

    options["checkpoint"] = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        ks.train(make_classifier(), *blobs, progress=stop, **options)
    model = make_classifier()
    history = ks.train(model, *blobs, **options)
    assert_same_bits(model, history, whole, expected)
    again = make_classifier()
    assert_same_bits(again, ks.train(again, *blobs, **options), whole, expected)
