import json
import zipfile

import keras
import numpy as np
import pytest

from keras_sharpness import models
from keras_sharpness.saving import (
    ModelFileError,
    UnsafeModelError,
    load_model,
)

X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


class Scale(keras.layers.Layer):
    """A layer that Keras knows nothing of."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class WithoutArguments(keras.layers.Layer):
    def __init__(self):
        super().__init__()


class Speechless(keras.layers.Layer):
    def __init__(self, **kwargs):
        raise TypeError


@pytest.fixture
def custom(tmp_path):
    """Path of a model with a layer of our own."""
    path = tmp_path / "custom.keras"
    keras.Sequential([keras.Input((3,)), Scale(3.0)]).save(path)
    return path


def rewritten(path, target, change):
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return target


def test_f1_comes_back_with_its_weights(tmp_path):
    model = models.F1(input_shape=(3,), num_classes=4, seed=0)
    model.save(tmp_path / "f1.keras")
    loaded = load_model(str(tmp_path / "f1.keras"))
    assert isinstance(loaded, models.F1)
    assert not loaded.compiled
    for ours, theirs in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    np.testing.assert_array_equal(model(X), loaded(X))


def test_compile_restores_loss_and_optimizer(tmp_path):
    model = models.F1(input_shape=(3,), num_classes=4, seed=0)
    model.compile(
        keras.optimizers.Adam(0.125),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    y = np.arange(5) % 4
    model.fit(X, y, batch_size=5, epochs=3, verbose=0)
    model.save(tmp_path / "f1.keras")
    loaded = load_model(tmp_path / "f1.keras", compile=True)
    # The same compiled program on the same numbers.
    assert loaded.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)
    assert float(loaded.optimizer.learning_rate.numpy()) == 0.125
    assert int(loaded.optimizer.iterations.numpy()) == 3


def test_custom_objects(custom):
    loaded = load_model(custom, custom_objects={"Scale": Scale})
    np.testing.assert_array_equal(loaded(X), 3.0 * X)


def load_error(path, **options):
    with pytest.raises(ModelFileError) as error:
        load_model(path, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{path} could not be loaded: ")
    assert message.endswith(
        " If it uses classes or functions of your own, pass "
        "`custom_objects={name: object}` with the ones it was saved with."
    )
    assert error.value.__cause__ is not None
    return message


def test_custom_class_that_is_missing(custom):
    assert "Could not locate class 'Scale'." in load_error(custom)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (WithoutArguments, "unexpected keyword argument"),
        (keras.layers.Dense, "Dense.__init__() missing 1 required"),
        (3, "class is missing a `from_config()` method."),
        (Speechless, "could not be loaded: TypeError. If it uses"),
    ],
)
def test_custom_class_that_is_another(custom, wrong, reason):
    """The reason is the innermost one, not that of the whole model."""
    assert reason in load_error(custom, custom_objects={"Scale": wrong})


def test_custom_objects_that_are_no_dict(custom):
    assert "not a mapping" in load_error(custom, custom_objects=Scale)


def test_weights_that_do_not_fit(tmp_path):
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)

    def change(contents):
        config = json.loads(contents["config.json"])
        config["config"]["layers"][-1]["config"]["units"] = 4
        contents["config.json"] = json.dumps(config)

    load_error(rewritten(path, tmp_path / "b.keras", change))


def test_weights_that_are_no_hdf5(tmp_path, custom):
    def change(contents):
        contents["model.weights.h5"] = b"garbage" * 100

    load_error(rewritten(custom, tmp_path / "b.keras", change))


@pytest.mark.parametrize(
    ("key", "value"),
    [("module", 3), ("module", [None]), ("config", None), ("class_name", "?")],
)
def test_configurations_that_keras_stumbles_over(tmp_path, key, value):
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)

    def change(contents):
        config = json.loads(contents["config.json"])
        config["config"]["layers"][-1][key] = value
        contents["config.json"] = json.dumps(config)

    load_error(rewritten(path, tmp_path / "b.keras", change))


def test_name_that_keras_does_not_open(tmp_path, custom):
    custom.rename(tmp_path / "custom.zip")
    message = r"custom\.zip holds a model, but.*end in `\.keras`\. Rename it\."
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "custom.zip", custom_objects={"Scale": Scale})


def test_file_that_cannot_be_inspected_is_not_loaded(tmp_path):
    with pytest.raises(ModelFileError, match="There is no file"):
        load_model(tmp_path / "none.keras")


def test_lambda_is_refused_and_does_not_run(tmp_path):
    path, trace = tmp_path / "lambda.keras", tmp_path / "trace"
    name = str(trace)
    layer = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])
    keras.Sequential([keras.Input((3,)), layer]).save(path)
    trace.unlink()
    for options in ({}, {"compile": True}, {"custom_objects": {"a": Scale}}):
        with pytest.raises(UnsafeModelError, match=r"Refused: .* a `Lambda`"):
            load_model(path, **options)
    assert not trace.exists()
    # The file is what it claims to be: it would have run.
    keras.saving.load_model(path, safe_mode=False)
    assert trace.exists()
