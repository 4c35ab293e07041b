"""Augmentation: in training only, repeatable, and its bad uses refused."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import CheckpointError

LAYERS = keras.layers


class Shift(LAYERS.Layer):
    """Adds a number to the inputs, but in training only."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def get_config(self):
        return {"by": self.by}

    def call(self, x, training=False):
        return x + self.by if training else x


def linear(start=0.5):
    model = keras.Sequential(
        [keras.Input((1,)), LAYERS.Dense(1, use_bias=False)]
    )
    model.layers[0].kernel.assign([[start]])
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_training_only_and_layer_after_layer(float64, jit_compile):
    x, y = np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])
    model = linear()
    history = ks.train(
        model, x, y, batch_size=2, epochs=1, loss="mse",
        optimizer=keras.optimizers.SGD(0.25), validation_data=(x, y),
        augmentation=[Shift(2.0), LAYERS.Rescaling(0.5)],
        jit_compile=jit_compile,
    )  # fmt: skip
    # x becomes 1.5 and 2.5, w x − y is −1.25 and −0.75; all exact in binary.
    assert history.loss[0] == (1.25**2 + 0.75**2) / 2
    w = 0.5 + 0.25 * (1.25 * 1.5 + 0.75 * 2.5)
    assert model.layers[0].kernel.numpy().item() == w
    assert history.val_loss[0] == ((w - 2) ** 2 + (3 * w - 2) ** 2) / 2
    assert [s["class"] for s in history.augmentation] == ["Shift", "Rescaling"]
    assert history.augmentation[0]["by"] == 2.0


def random_layers():
    """Layers whose seeds Keras draws: the training sets them anew."""
    return [LAYERS.RandomTranslation(0.2, 0.2), LAYERS.RandomFlip()]


def test_resumed_bit_for_bit_and_repeatable(
    make_convnet, images, assert_same_bits, tmp_path
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            marker = tmp_path / "stopped"
            if epoch == 2 and not marker.exists():
                marker.touch()
                raise KeyboardInterrupt

    def train(model, **options):
        options = {"seed": 3, "augmentation": random_layers(), **options}
        return ks.train(
            model, *images, batch_size=20, epochs=4, callbacks=[Stop()],
            **options,
        )  # fmt: skip

    path = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        train(make_convnet(), checkpoint=path)
    resumed, whole = make_convnet(), make_convnet()
    again, history = train(resumed, checkpoint=path), train(whole)
    assert_same_bits(whole, history, resumed, again)
    # All four epochs saw other pictures than the plain run.
    plain = train(make_convnet(), augmentation=None)
    assert np.all(plain.loss != history.loss)
    with pytest.raises(CheckpointError, match=r"augmentation: .*now None"):
        train(make_convnet(), checkpoint=path, augmentation=None)


def test_another_seed_draws_other_pictures(images):
    # One batch of all samples, no dropout: nothing else depends on the seed.
    x, y = images
    losses = []
    for seed in (0, 1):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), LAYERS.Flatten(), LAYERS.Dense(4)]
        )
        history = ks.train(
            model, x / 255, y, batch_size=60, epochs=1, seed=seed,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            augmentation=LAYERS.RandomTranslation(0.3, 0.3),
        )  # fmt: skip
        losses.append(history.loss[0])
    # The order of the samples changes the rounding only.
    assert abs(losses[0] - losses[1]) > 1e-4


def test_methods_work_on_the_augmented_batch(float64):
    # Sharpness-aware at w: e = ρ sign of the slope, on shifted inputs.
    x, y = np.array([[1.0]]), np.array([[2.0]])
    model = linear()
    history = ks.train(
        model, x, y, batch_size=1, epochs=1, loss="mse",
        optimizer=keras.optimizers.SGD(0.25), augmentation=Shift(1.0),
        method=ks.training.SharpnessAware(rho=0.25),
    )  # fmt: skip
    # w x' − y = −1, the slope −4 leads down to w = 0.25: −1.5, slope −6.
    assert history.loss[0] == 1.0
    assert history.logged["perturbed_loss"][0] == 1.5**2
    assert model.layers[0].kernel.numpy().item() == 0.5 + 0.25 * 6.0


class GlobalNoise(LAYERS.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (3.5, "`augmentation` must be a Keras layer or a list"),
        ([], "`augmentation` must be a Keras layer or a list"),
        ([LAYERS.RandomFlip(), "flip"], "`augmentation` must be a Keras layer"),
        (LAYERS.RandomFlip, "`augmentation` must be a Keras layer or a list"),
        (LAYERS.MixUp(), "MixUp, which mixes targets"),
        (LAYERS.CenterCrop(4, 4), r"leave the shape.*\(32, 4, 4, 1\)"),
        (LAYERS.Dense(1), "Dense with trainable weights"),
        (LAYERS.Reshape((3, 3)), "cannot be called on x"),
        (GlobalNoise(), "augmentation draws random numbers from a global"),
    ],
)
def test_what_does_not_fit_is_refused(
    make_convnet, images, augmentation, message
):
    x, y = images
    with pytest.raises(ValueError, match=message) as caught:
        ks.train(
            make_convnet(), x.astype("float32"), y, batch_size=20, epochs=1,
            augmentation=augmentation,
        )  # fmt: skip
    assert "\n" not in str(caught.value)
