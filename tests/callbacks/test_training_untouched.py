"""Training is the same, bit for bit, however it is done."""

import contextlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness import train
from keras_sharpness.callbacks import (
    EdgeOfStability,
    EpsilonSharpness,
    HessianEigenvalues,
    HessianTrace,
    SpectralDensity,
    WeightTrajectory,
)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = slice(12 * index, 12 * index + 12)
        return self.x[part], self.y[part]


def arrays(x, y):
    return (x, y), {"batch_size": 12}


def dataset(x, y):
    return (tf.data.Dataset.from_tensor_slices((x, y)).batch(12),), {}


def py_dataset(x, y):
    return (Batches(x, y),), {}


@pytest.mark.parametrize(
    ("kind", "optimizer", "network"),
    [
        # Shuffled arrays; dropout draws from the seed of its layer.
        (arrays, keras.optimizers.Adam, {"dropout": 0.3, "batch_norm": True}),
        (dataset, keras.optimizers.RMSprop, {"steps_per_execution": 3}),
        (py_dataset, keras.optimizers.SGD, {"jit_compile": True}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*shuffle=True.*:UserWarning")
def test_same_seed_same_bits(
    kind, optimizer, network, build, data, tmp_path, assert_same_weights,
    random_draws,
):  # fmt: skip
    given, options = kind(*data)
    epsilon = EpsilonSharpness(*given, frequency=3, max_iterations=3)
    edge = EdgeOfStability(*given)
    callbacks = [
        epsilon,
        HessianEigenvalues(*given, k=2, which="both", log_dir=tmp_path / "log"),
        HessianTrace(*given, num_probes=2, frequency=5),
        SpectralDensity(*given, num_probes=1, num_steps=4),
        edge,
        WeightTrajectory(tmp_path / "weights", frequency=2),
    ]
    results = []
    for used in ([], callbacks):
        model = build(optimizer(0.01), **network)
        model.fit(*given, epochs=3, callbacks=used, verbose=0, **options)
        results.append((model, random_draws()))
    (plain, draws), (measured, same_draws) = results
    assert_same_weights(plain, measured)
    assert draws == same_draws
    assert edge.epochs == [0, 1, 2]
    assert edge.results[0].optimizer == optimizer.__name__
    # Four batches per epoch. Where three come at once, Keras numbers the last
    # one as if it were three, too.
    assert epsilon.steps == (
        [3, 4, 7, 8, 11, 12] if kind is dataset else [3, 6, 9, 12]
    )


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_mixed_precision(half_precision, build, data, assert_same_weights):
    plain, measured = (build(keras.optimizers.Adam(0.01)) for _ in range(2))
    plain.fit(*data, epochs=2, verbose=0)
    edge = EdgeOfStability(*data)
    top = HessianEigenvalues(*data)
    measured.fit(*data, epochs=2, callbacks=[edge, top], verbose=0)
    assert isinstance(measured.optimizer, keras.optimizers.LossScaleOptimizer)
    assert_same_weights(plain, measured)
    assert edge.results[0].optimizer == "Adam"
    # 2 (1 + 0.9) / 0.1 / 0.01; float32 holds 0.01 to 6e-8.
    assert edge.results[0].threshold == pytest.approx(3800.0, rel=1e-6)
    assert np.all(np.isfinite(top.to_frame().hessian_eigenvalue))


def test_one_replica(build, data, assert_same_weights):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    callbacks = [
        EpsilonSharpness(*data, maximizer="frank-wolfe", max_iterations=3),
        EdgeOfStability(*data),
    ]
    models = []
    for used in ([], callbacks):
        with strategy.scope():
            model = build(keras.optimizers.Adam(0.01), batch_norm=True)
        # Some call `fit` within the scope, too.
        with strategy.scope() if used else contextlib.nullcontext():
            model.fit(*data, epochs=2, callbacks=used, verbose=0)
        models.append(model)
    assert_same_weights(*models)
    assert callbacks[1].epochs == [0, 1]


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, 2 * [tf.config.LogicalDeviceConfiguration()]
)
from keras_sharpness.callbacks import EdgeOfStability, WeightTrajectory

generator = np.random.default_rng(0)
x = generator.standard_normal((32, 4)).astype("float32")
y = x[:, :1]
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
weights = []
for measure in (False, True):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((4,)), keras.layers.Dense(5, "tanh"),
            keras.layers.BatchNormalization(), keras.layers.Dense(1),
        ])
        model.compile(keras.optimizers.RMSprop(0.01), "mse")
    edge = EdgeOfStability(x, y)
    callbacks = [edge, WeightTrajectory(FOLDER)] if measure else []
    model.fit(x, y, batch_size=16, epochs=2, callbacks=callbacks, verbose=0)
    weights.append(model.get_weights())
assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
assert edge.steps == [2, 4] and edge.results[1].ratio > 0.0
assert strategy.num_replicas_in_sync == 2
print("the same")
"""


def test_two_replicas(tmp_path):
    # Logical devices are made before TensorFlow does anything else.
    code = TWO_REPLICAS.replace("FOLDER", repr(str(tmp_path / "weights")))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.stdout.strip() == "the same", done.stderr[-3000:]


def test_own_training_loop(build, data, assert_same_weights):
    options = {"batch_size": 12, "epochs": 2, "progress": False}
    plain, measured = (build(keras.optimizers.Adam(0.01)) for _ in range(2))
    train(plain, *data, **options)
    top = HessianEigenvalues(*data, frequency=3)
    history = train(measured, *data, callbacks=[top], **options)
    assert_same_weights(plain, measured)
    assert top.steps == [3, 6]
    np.testing.assert_array_equal(
        history.to_frame().hessian_eigenvalue, top.to_frame().hessian_eigenvalue
    )


def test_goes_on_after_an_interruption(build, data, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def callbacks():
        top = HessianEigenvalues(*data, tolerance=1e-4)
        weights = WeightTrajectory(tmp_path / "weights")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return top, [top, weights, backup]

    straight = HessianEigenvalues(*data, tolerance=1e-4)
    whole = build(keras.optimizers.Adam(0.01))
    options = {"epochs": 4, "shuffle": False, "verbose": 0}
    whole.fit(*data, callbacks=[straight], **options)
    model = build(keras.optimizers.Adam(0.01))
    first, used = callbacks()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, callbacks=[*used, Interrupt()], **options)
    # As in another process: nothing but the files is left.
    model = build(keras.optimizers.Adam(0.01))
    second, used = callbacks()
    history = model.fit(*data, callbacks=used, **options)
    assert (first.epochs, second.epochs) == ([0, 1], [2, 3])
    assert second.steps == straight.steps[2:]
    np.testing.assert_allclose(
        history.history["hessian_eigenvalue"],
        # The error is about the square of the residual, 1e-4 of λ.
        straight.to_frame().hessian_eigenvalue[2:],
        rtol=1e-5,
    )


@pytest.mark.filterwarnings("ignore:.*shuffle=True.*:UserWarning")
def test_data_sets_that_shuffle_are_refused(build, data):
    shuffled = tf.data.Dataset.from_tensor_slices(data).shuffle(48).batch(16)
    model = build()
    with pytest.raises(ValueError, match="another order at every pass"):
        model.fit(shuffled, callbacks=[HessianEigenvalues(shuffled)], verbose=0)
    fixed = tf.data.Dataset.from_tensor_slices(data)
    fixed = fixed.shuffle(48, reshuffle_each_iteration=False, seed=1).batch(16)
    model.fit(fixed, callbacks=[HessianEigenvalues(fixed)], verbose=0)


def test_averaged_weights_are_measured_after_the_swap(
    build, data, assert_same_weights
):
    def trained(*callbacks):
        model = build(keras.optimizers.SGD(0.1, use_ema=True))
        model.fit(*data, epochs=2, callbacks=[*callbacks], verbose=0)
        return model

    def swap():
        return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)

    before, after = (
        EpsilonSharpness(*data, maximizer="frank-wolfe", name=name)
        for name in ("before", "after")
    )
    # Swapping back and forth rounds.
    assert_same_weights(trained(swap()), trained(before, swap(), after))
    assert before.results[0].loss != after.results[0].loss
