"""What holds for every method: bits, counts, statistics, checkpoints."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import (
    Adversarial,
    CheckpointError,
    Conservative,
    SharpnessAware,
    Stability,
)

METHODS = {
    "sam": SharpnessAware(rho=0.1),
    "asam": SharpnessAware(rho=0.5, adaptive=True),
    "m-sam": SharpnessAware(rho=0.1, micro_batch_size=7),
    "conservative": Conservative(num_steps=2, proximal=0.1),
    "restarted": Conservative(num_steps=2, proximal=0.1, restart=True),
    "adversarial": Adversarial(epsilon=0.1),
    "absa": Adversarial(epsilon=0.1, weight=1.0, share=0.2, clip="batch"),
    "stability": Stability(weight=0.5, deviation=0.1),
}
EVERY = pytest.mark.parametrize("name", METHODS)


NOUGHT = [
    SharpnessAware(rho=0.0),
    SharpnessAware(rho=0.0, adaptive=True, micro_batch_size=5),
    Conservative(num_steps=1, proximal=0.0),
    Conservative(num_steps=1, proximal=0.1),
    Adversarial(epsilon=0.0),
    Adversarial(epsilon=0.1, weight=0.0),
    Stability(weight=0.0),
    Stability(weight=0.1, deviation=0.0),
]


def test_at_zero_it_is_the_plain_run_bit_for_bit(
    make_classifier, blobs, assert_same_bits
):
    plain, *others = (None, *NOUGHT)
    model = make_classifier(dropout=0.5)
    history = ks.train(model, *blobs, batch_size=25, epochs=2, method=plain)
    for method in others:
        twin = make_classifier(dropout=0.5)
        again = ks.train(twin, *blobs, batch_size=25, epochs=2, method=method)
        assert_same_bits(model, history, twin, again)
        assert again.num_gradients == again.num_updates == 4
        assert again.method == method.get_config()


@EVERY
def test_the_first_loss_is_that_of_the_plain_run(make_classifier, blobs, name):
    """At the same weights, under the same dropout masks."""
    losses = []
    for method in (None, METHODS[name]):
        model = make_classifier(keras.optimizers.SGD(0.0), dropout=0.5)
        history = ks.train(
            model, *blobs, batch_size=50, epochs=1, method=method
        )
        losses.append(history.loss[0])
    if name in ("absa", "m-sam"):  # Copies among them; statistics of parts.
        assert losses[1] != losses[0]
    else:
        # The same float32 operations, in graphs that may fuse them otherwise.
        assert losses[1] == pytest.approx(losses[0], rel=1e-6)


@EVERY
def test_random_streams_go_on_as_in_the_plain_run(make_classifier, blobs, name):
    states = []
    for method in (None, METHODS[name]):
        model = make_classifier("sgd", dropout=0.5)
        ks.train(model, *blobs, batch_size=50, epochs=3, method=method)
        (state,) = (v for v in model.variables if "seed_gen" in v.path)
        states.append(np.array(state))
    if name == "m-sam":  # Eight parts, with a mask each.
        assert states[1][1] == 8 * states[0][1]
    else:
        np.testing.assert_array_equal(states[1], states[0])


@pytest.mark.parametrize("name", ["sam", "asam", "adversarial", "stability"])
def test_moving_statistics_move_by_the_clean_pass_alone(
    make_classifier, blobs, name
):
    statistics = []
    for method in (None, METHODS[name]):
        model = make_classifier(keras.optimizers.SGD(0.0))
        ks.train(model, *blobs, batch_size=50, epochs=1, method=method)
        layer = model.layers[1]
        statistics.append(np.array([layer.moving_mean, layer.moving_variance]))
    # Of the same float32 activations; 8 roundings of their sum.
    np.testing.assert_allclose(statistics[1], statistics[0], rtol=1e-6)


class Stop(keras.callbacks.Callback):
    """Interrupts the training at the beginning of its third epoch, once."""

    done = False

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2 and not Stop.done:
            Stop.done = True
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "name", ["asam", "m-sam", "restarted", "adversarial", "stability"]
)
def test_resumed_in_the_middle_bit_for_bit(
    make_classifier, blobs, assert_same_bits, tmp_path, name
):
    options = {
        "batch_size": 25,
        "epochs": 4,
        "method": METHODS[name],
        "checkpoint": tmp_path / "training.npz",
        "callbacks": [Stop()],
        "seed": 2,
    }
    Stop.done = False
    with pytest.raises(KeyboardInterrupt):
        ks.train(make_classifier(dropout=0.5), *blobs, **options)
    resumed = make_classifier(dropout=0.5)
    again = ks.train(resumed, *blobs, **options)
    whole = make_classifier(dropout=0.5)
    options["checkpoint"] = None
    history = ks.train(whole, *blobs, **options)
    assert_same_bits(whole, history, resumed, again)
    method = METHODS[name]
    assert again.num_updates == 8 * method.updates_per_batch
    assert again.num_gradients == 8 * method.gradients_per_batch
    assert int(resumed.optimizer.iterations) == (
        method.num_steps if name == "restarted" else again.num_updates
    )
    # The settings are in the history, and go through its file.
    assert again.method["class"] == type(method).__name__
    again.save(tmp_path / "history.json")
    loaded = type(again).load(tmp_path / "history.json")
    assert loaded.method == again.method
    assert loaded.to_frame().equals(again.to_frame())


def test_another_method_refuses_the_checkpoint(
    make_classifier, blobs, tmp_path
):
    options = {
        "batch_size": 50,
        "epochs": 1,
        "checkpoint": tmp_path / "training.npz",
    }
    ks.train(make_classifier(), *blobs, method=METHODS["sam"], **options)
    for name, message in (
        ("asam", "method.rho: 0.1, now 0.5; method.adaptive: False, now True"),
        ("stability", "method.class: 'SharpnessAware', now 'Stability'"),
        (None, "method: {'class': 'SharpnessAware'.*now None"),
    ):
        with pytest.raises(CheckpointError, match=message):
            ks.train(
                make_classifier(), *blobs, method=METHODS.get(name), **options
            )


@pytest.mark.parametrize("name", ["sam", "conservative", "stability"])
def test_half_precision_with_its_loss_scale(blobs, name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((4,)), *layers])
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    method = METHODS[name]
    if name == "conservative":  # So strong that its scale would show.
        method = dataclasses.replace(method, proximal=3.0)
    history = ks.train(
        model, *blobs, batch_size=10, epochs=20, method=method,
        jit_compile=False,
    )  # fmt: skip
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert history.accuracy[-1] > 0.9


@pytest.mark.parametrize("wrong", ["sam", SharpnessAware, 1.0, {}])
def test_what_is_no_method_is_refused(make_classifier, blobs, wrong):
    with pytest.raises(ValueError, match=r"`method` must be a method of train"):
        ks.train(
            make_classifier(), *blobs, batch_size=20, epochs=1, method=wrong
        )
