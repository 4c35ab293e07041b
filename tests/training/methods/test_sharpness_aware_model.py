"""SAM in `fit`: the same updates as in `ks.train`, and Keras' own ways."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import SharpnessAware, SharpnessAwareModel
from keras_sharpness.training.state import epoch_order, reseed

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def weights_of(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


def fitted(model, blobs, *, epochs=4, batch_size=50, **compiling):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    model.compile(
        optimizer, LOGITS_LOSS, metrics=["accuracy"], jit_compile=False,
        **compiling,
    )  # fmt: skip
    return model.fit(
        *blobs, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0
    ).history


@pytest.mark.parametrize("adaptive", [False, True])
def test_fit_makes_the_updates_of_train(make_classifier, blobs, adaptive):
    settings = {"rho": 0.2, "adaptive": adaptive}
    # The dropout masks are the same where seeds and order of samples are.
    model, twin = (make_classifier(dropout=0.5) for _ in range(2))
    history = ks.train(
        twin, *blobs, batch_size=50, epochs=4,
        optimizer=keras.optimizers.SGD(0.1, momentum=0.5),
        method=SharpnessAware(**settings),
    )  # fmt: skip
    reseed(model.variables, 0)
    SharpnessAwareModel(model, **settings)
    losses = []
    for epoch in range(4):
        order = epoch_order(50, seed=0, epoch=epoch)
        part = tuple(array[order] for array in blobs)
        if epoch == 0:
            logs = fitted(model, part, epochs=1)
        else:
            logs = model.fit(
                *part, batch_size=50, shuffle=False, verbose=0
            ).history
        losses += logs["loss"]
    # The same float32 operations in two graphs, four updates.
    np.testing.assert_allclose(losses, history.loss, rtol=1e-5)
    np.testing.assert_allclose(
        weights_of(model), weights_of(twin), rtol=1e-4, atol=1e-5
    )


def test_rho_0_is_the_model_itself_bit_for_bit(make_classifier, blobs):
    keras.utils.set_random_seed(3)
    plain = make_classifier(dropout=0.5)
    keras.utils.set_random_seed(3)
    model = make_classifier(dropout=0.5)
    assert SharpnessAwareModel(SharpnessAwareModel(model), rho=0.0) is model
    assert fitted(model, blobs) == fitted(plain, blobs)
    np.testing.assert_array_equal(weights_of(model), weights_of(plain))


def test_it_can_be_put_on_and_off_between_fits(make_classifier, blobs):
    ends = []
    for order in ("on off", "off off"):
        model = make_classifier()
        for word in order.split():
            SharpnessAwareModel(model, rho=0.5 if word == "on" else 0.0)
            fitted(model, blobs, epochs=1)
        ends.append(weights_of(model))
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_several_steps_in_one_call(make_classifier, blobs):
    ends = []
    for steps in (1, 5):
        model = SharpnessAwareModel(make_classifier(), rho=0.2)
        logs = fitted(model, blobs, batch_size=10, steps_per_execution=steps)
        ends.append((weights_of(model), logs["loss"]))
    # The same operations in a loop of the graph.
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=1e-5)


def test_half_precision_with_its_loss_scale(blobs):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((4,)), *layers])
    finally:
        keras.config.set_dtype_policy("float32")
    SharpnessAwareModel(model, rho=0.1)
    logs = fitted(model, blobs, batch_size=10, epochs=20)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert logs["accuracy"][-1] > 0.9


def run(code, *paths):
    """Runs a script in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_files_load_without_this_package(make_classifier, blobs, tmp_path):
    model = SharpnessAwareModel(make_classifier(), rho=0.2)
    fitted(model, blobs, epochs=1)
    path, outputs = tmp_path / "model.keras", tmp_path / "outputs.npy"
    model.save(path)
    np.save(tmp_path / "x.npy", blobs[0])
    run(
        """
        import sys
        import keras, numpy as np
        path, x, outputs = sys.argv[1:]
        model = keras.models.load_model(path)
        assert int(model.optimizer.iterations) == 1
        assert "keras_sharpness" not in sys.modules
        np.save(outputs, model.predict(np.load(x), verbose=0))
        """,
        path, tmp_path / "x.npy", outputs,
    )  # fmt: skip
    # The same float32 operations in another process.
    np.testing.assert_allclose(
        np.load(outputs), model.predict(blobs[0], verbose=0), rtol=1e-5
    )


def test_two_devices_make_the_updates_of_one(tmp_path):
    run(
        """
        import numpy as np, keras, tensorflow as tf
        import keras_sharpness as ks
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
        keras.config.set_floatx("float64")

        def train(strategy):
            with strategy.scope():
                keras.utils.set_random_seed(0)
                model = keras.Sequential([
                    keras.Input((4,)),
                    keras.layers.Dense(8, "tanh", kernel_regularizer="l2"),
                    keras.layers.Dense(3),
                ])
                loss = keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True)
                model.compile(
                    keras.optimizers.SGD(0.1, momentum=0.5), loss,
                    jit_compile=False)
            ks.training.SharpnessAwareModel(model, rho=0.3)
            logs = model.fit(
                x, y, batch_size=20, epochs=3, shuffle=False, verbose=0)
            return logs.history["loss"], np.concatenate(
                [np.ravel(w) for w in model.get_weights()])

        two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert two.num_replicas_in_sync == 2
        one = tf.distribute.get_strategy()
        (losses, weights), (again, others) = train(one), train(two)
        # Sums of 20 float64 numbers in another order; the metric of the loss
        # and L2's factor are float32.
        assert np.abs(weights - others).max() < 1e-8
        assert np.allclose(losses, again, rtol=1e-5)
        """
    )


def test_what_cannot_be_trained_so_is_refused(make_classifier, blobs):
    model = make_classifier()
    with pytest.raises(ValueError, match="`rho` must be a finite number"):
        SharpnessAwareModel(model, rho=-1.0)
    with pytest.raises(ValueError, match=r"`model` must be a keras\.Model"):
        SharpnessAwareModel(keras.layers.Dense(1))

    class OwnStep(keras.Sequential):
        def train_step(self, data):
            return {}

    with pytest.raises(ValueError, match="OwnStep overrides `train_step`"):
        SharpnessAwareModel(OwnStep([keras.layers.Dense(1)]))
    frozen = make_classifier()
    frozen.trainable = False
    with pytest.raises(ValueError, match="no trainable weights"):
        SharpnessAwareModel(frozen)
    SharpnessAwareModel(model)
    with pytest.raises(ValueError, match=r"`method=ks\.training\.Sharpness"):
        ks.train(model, *blobs, batch_size=10, epochs=1)
