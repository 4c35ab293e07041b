"""What all six networks share: checks, compilation, saving."""

import inspect
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_sharpness import models, saving

SMALL = {
    "F1": (6, 6, 1),
    "F2": (20,),
    "C1": (6, 6, 1),
    "C2": (3, 3, 1),
    "C3": (6, 6, 1),
    "C4": (3, 3, 1),
    "S1": (6, 6, 1),
}


def small(network, /, **kwargs):
    """The network of that name on small samples, with four classes."""
    return models.get(network)(4, SMALL[network], **kwargs)


def samples(name, number=8, seed=0):
    """Random samples and labels for `small(name)`."""
    generator = np.random.default_rng(seed)
    x = generator.random((number, *SMALL[name]), dtype="float32")
    return x, np.arange(number) % 4


@pytest.mark.parametrize("name", models.NAMES)
def test_outputs_are_logits_of_the_compiled_cross_entropy(name):
    model = small(name, seed=0)
    x, y = samples(name)
    logits = model(x).numpy().astype("float64")

    # A softmax would add up to one.
    assert np.abs(logits.sum(axis=1) - 1).min() > 1e-3
    measured = model.evaluate(x, y, verbose=0, return_dict=True)

    log_sum = np.log(np.exp(logits).sum(axis=1))
    loss = (log_sum - logits[np.arange(len(y)), y]).mean()
    # Logits of order one in float32: about ten roundings of 6e-8 each.
    np.testing.assert_allclose(measured["loss"], loss, rtol=1e-6)
    assert measured["accuracy"] == (logits.argmax(axis=1) == y).mean()
    assert isinstance(model.optimizer, keras.optimizers.Adam)


def test_training_reduces_the_loss_as_the_model_comes():
    model = small("F1", seed=0)
    x, y = samples("F1", number=32)

    history = model.fit(x, y, epochs=10, verbose=0).history

    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_saved_networks_load_in_another_process(tmp_path):
    """Bit-equal outputs, without `custom_objects`, in Keras' safe mode."""
    for name in ("F1", "F2", "C1", "C2"):
        model = small(name, seed=1, name=f"my_{name.lower()}")
        x, y = samples(name)
        if name == "F1":
            model.compile("rmsprop", loss=model.loss)
            model.fit(x, y, verbose=0)
        model.save(tmp_path / f"{name}.keras")
        np.savez(
            tmp_path / f"{name}.npz",
            x=x,
            logits=model(x).numpy(),
            weights=np.concatenate([w.ravel() for w in model.get_weights()]),
        )

    script = """
import sys
import keras
import numpy as np
import keras_sharpness.models

for name in ("F1", "F2", "C1", "C2"):
    model = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras")
    saved = np.load(f"{sys.argv[1]}/{name}.npz")
    assert type(model) is keras_sharpness.models.get(name)
    assert model.name == f"my_{name.lower()}"
    kind = "RMSprop" if name == "F1" else "Adam"
    assert type(model.optimizer).__name__ == kind
    assert model.optimizer.iterations.numpy() == (name == "F1")
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    np.testing.assert_array_equal(weights, saved["weights"])
    np.testing.assert_array_equal(model(saved["x"]), saved["logits"])
"""
    finished = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("load", [keras.saving.load_model, saving.load_model])
# S1 came later.
@pytest.mark.parametrize("name", models.NAMES[:6])
def test_files_of_earlier_versions_load(tmp_path, name, load):
    """They name the module that each network had to itself."""
    model = small(name, seed=1, compile=False)
    model.save(tmp_path / "today.keras")
    with (
        zipfile.ZipFile(tmp_path / "today.keras") as today,
        zipfile.ZipFile(tmp_path / "earlier.keras", "w") as earlier,
    ):
        for file in today.namelist():
            content = today.read(file)
            if file == "config.json":
                config = json.loads(content)
                config["module"] = f"keras_sharpness.models.{name.lower()}"
                content = json.dumps(config).encode()
            earlier.writestr(file, content)

    loaded = load(tmp_path / "earlier.keras")

    assert type(loaded) is models.get(name)
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_a_constructor_shows_its_defaults():
    shown = inspect.signature(models.F2).parameters
    assert shown["num_classes"].default == 1973
    assert shown["input_shape"].default == (360,)
    assert list(shown)[2:] == ["seed", "dtype", "name", "kwargs"]


def test_a_subclass_keeps_the_constructor():
    class Wide(models.F1):
        """As its base."""

    model = Wide(3, (4,), seed=0, name="wide")
    assert isinstance(model, models.F1)
    assert model.output_shape == (None, 3)
    assert Wide.from_config(model.get_config()).name == "wide"


def test_a_trained_network_loads_without_its_optimizer(tmp_path):
    model = small("F1", seed=0)
    model.fit(*samples("F1"), verbose=0)
    model.save(tmp_path / "model.keras")

    # Keras warns, here an error, where an optimizer's state does not fit.
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)

    assert not loaded.compiled
    np.testing.assert_array_equal(
        loaded.get_layer("logits").kernel, model.get_layer("logits").kernel
    )


@pytest.mark.parametrize("name", models.NAMES)
def test_configuration_makes_the_same_network(name):
    model = small(name, seed=5, dtype="float64", name="again", trainable=False)

    again = type(model).from_config(model.get_config())

    assert again.get_config() == model.get_config()
    assert again.name == "again"
    assert not again.compiled
    assert not again.trainable_variables
    for weight, other in zip(
        model.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, other)


def test_seed_fixes_start_weights_and_dropout():
    x, _ = samples("C1")
    keras.utils.set_random_seed(0)
    first, other = small("C1", seed=7), small("C1", seed=8)
    keras.utils.set_random_seed(99)
    second = small("C1", seed=7)

    same = first(x, training=True).numpy()
    np.testing.assert_array_equal(same, second(x, training=True))
    assert not np.array_equal(same, first(x, training=True))
    assert not np.array_equal(
        first.get_layer("conv_1").kernel, other.get_layer("conv_1").kernel
    )
    # Layers of one shape must not start from one and the same point.
    f1 = models.F1(seed=7)
    assert not np.array_equal(
        f1.get_layer("dense_2").kernel, f1.get_layer("dense_3").kernel
    )


def test_without_a_seed_keras_global_seed_decides():
    keras.utils.set_random_seed(3)
    first = small("F1")
    second = small("F1")
    keras.utils.set_random_seed(3)
    again = small("F1")

    kernels = [m.get_layer("dense_1").kernel.numpy() for m in (first, again)]
    np.testing.assert_array_equal(*kernels)
    assert not np.array_equal(
        kernels[0], second.get_layer("dense_1").kernel.numpy()
    )


def test_float64_keeps_the_digits_of_the_samples():
    model = small("C1", dtype="float64", seed=0)
    x = samples("C1")[0].astype("float64")

    # 1e-12 is lost where the samples go through float32.
    change = model(x + 1e-12).numpy() - model(x).numpy()

    assert change.dtype == "float64"
    assert np.abs(change).max() > 0


def test_global_policy_reaches_every_layer():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = small("F2")
    finally:
        keras.config.set_dtype_policy(before)

    assert {v.dtype for v in model.variables} == {"float64"}
    assert model(samples("F2")[0]).dtype == "float64"


def test_mixed_precision_trains_float32_weights():
    model = small("C1", dtype="mixed_bfloat16")
    x, y = samples("C1")

    loss = model.fit(x, y, verbose=0).history["loss"][0]

    assert np.isfinite(loss)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.get_layer("conv_1").compute_dtype == "bfloat16"


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.5, "10", None, True])
def test_wrong_num_classes(num_classes):
    with pytest.raises(ValueError, match="`num_classes` must be an integer"):
        models.F1(num_classes)


@pytest.mark.parametrize(
    "input_shape", [(), (28, 0), (28, -1, 1), (None, 28), 28, (2.5,), None]
)
@pytest.mark.parametrize("network", [models.F2, models.C1])
def test_wrong_input_shape(network, input_shape):
    with pytest.raises(ValueError, match="`input_shape` must be a tuple"):
        network(10, input_shape)


@pytest.mark.parametrize(
    "network", [models.C1, models.C2, models.C3, models.C4]
)
@pytest.mark.parametrize("input_shape", [(28, 28), (360,), (2, 8, 8, 3)])
def test_convolutions_need_images(network, input_shape):
    with pytest.raises(ValueError, match=r"\(height, width, channels\)"):
        network(input_shape=input_shape)


@pytest.mark.parametrize("seed", [-1, 0.5, "0"])
def test_wrong_seed(seed):
    with pytest.raises(
        ValueError, match="`seed` must be an integer of at least 0"
    ):
        models.F1(seed=seed)
