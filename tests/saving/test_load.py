import io
import os
import tempfile

import h5py
import keras
import numpy as np
import pytest

from keras_sharpness import models
from keras_sharpness.saving import (
    ModelFileError,
    UnsafeModelError,
    load_model,
)
from tests.saving.files import (
    members,
    with_config,
    write_archive,
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


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path_factory, monkeypatch):
    """No test leaves a temporary file behind, whether it loads or fails."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def custom(tmp_path):
    """Path of a model with a layer of our own."""
    path = tmp_path / "custom.keras"
    keras.Sequential([keras.Input((3,)), Scale(3.0)]).save(path)
    return path


def with_last_layer(path, target, **changes):
    def change(config):
        config["config"]["layers"][-1].update(changes)

    return with_config(path, target, change)


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
    assert message.startswith(f"`{path}` could not be loaded: ")
    assert message.endswith(
        " If it uses classes or functions of your own, pass "
        "`custom_objects={name: object}` with the ones it was saved with."
    )
    assert error.value.__cause__ is not None
    return message


def test_custom_class_that_is_missing(custom):
    message = (
        r"Unknown layer class `.*Scale` .*custom_objects={\"Scale\": Scale"
    )
    with pytest.raises(UnsafeModelError, match=message):
        load_model(custom)


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
    with pytest.raises(ValueError, match="`custom_objects` must be a dict"):
        load_model(custom, custom_objects=Scale)


def test_custom_loss_matters_only_where_it_is_loaded(tmp_path):
    def my_loss(y, outputs):
        return keras.ops.mean((y - outputs) ** 2)

    path = tmp_path / "a.keras"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", my_loss)
    model.save(path)
    assert not load_model(path).compiled
    with pytest.raises(UnsafeModelError, match=r"function `.*my_loss`"):
        load_model(path, compile=True)
    loaded = load_model(path, compile=True, custom_objects={"my_loss": my_loss})
    y = np.ones((5, 1), "float32")
    assert loaded.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)


@pytest.fixture
def dense(tmp_path):
    """Path of a model of one layer."""
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    return path


def test_content_in_place_of_a_path(dense):
    one, two = load_model(dense), load_model(dense.read_bytes(), name="a")
    np.testing.assert_array_equal(one(X), two(X))
    with pytest.raises(ModelFileError, match=r"^`upload\.keras` is not a"):
        load_model(b"garbage", name="upload.keras")


def test_the_name_of_the_file_does_not_matter(dense, tmp_path):
    dense.rename(tmp_path / "a.zip")
    assert load_model(tmp_path / "a.zip").count_params() == 8


def test_what_was_inspected_is_what_is_loaded(custom):
    """The file is changed between the inspection and the loading."""

    class Changes(Scale):
        def __init__(self, **kwargs):
            custom.write_bytes(b"something else")
            super().__init__(**kwargs)

    loaded = load_model(custom, custom_objects={"Scale": Changes})
    assert custom.read_bytes() == b"something else"
    np.testing.assert_array_equal(loaded(X), 3.0 * X)


def test_the_copy_is_private_and_holds_what_was_inspected(custom):
    found = []

    class Looks(Scale):
        def __init__(self, **kwargs):
            (folder,) = os.scandir(tempfile.gettempdir())
            (file,) = os.scandir(folder)
            found.append((folder.stat().st_mode & 0o777, members(file.path)))
            super().__init__(**kwargs)

    load_model(custom, custom_objects={"Scale": Looks})
    ((mode, copy),) = found
    assert mode == 0o700
    assert copy.keys() == members(custom).keys()
    # Weights are written anew, by this package, and hold the same.
    for name in ("metadata.json",):
        assert copy[name] == members(custom)[name]
    assert _arrays(copy["model.weights.h5"]) == _arrays(
        members(custom)["model.weights.h5"]
    )


def _arrays(content):
    """Every array and text of an HDF5 file, by its path."""
    found = {}

    def note(path, item):
        value = item[()].tobytes() if isinstance(item, h5py.Dataset) else b""
        found[path] = value, dict(item.attrs)

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(note)
    return found


def test_weights_that_do_not_fit(dense, tmp_path):
    def change(config):
        config["config"]["layers"][-1]["config"]["units"] = 4

    load_error(with_config(dense, tmp_path / "b.keras", change))


def test_weights_that_are_missing(dense, tmp_path):
    other = [keras.Input((3,)), keras.layers.ReLU()]
    keras.Sequential(other).save(tmp_path / "b.keras")
    contents = members(dense)
    name = "model.weights.h5"
    contents[name] = members(tmp_path / "b.keras")[name]
    load_error(write_archive(tmp_path / "c.keras", contents))


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"units": "?"}},
        {"config": {}},
        {"config": {"units": -1}},
        {"build_config": {"input_shape": ["?"]}},
        {"build_config": {"input_shape": 3}},
    ],
)
def test_configurations_that_keras_stumbles_over(dense, tmp_path, changes):
    load_error(with_last_layer(dense, tmp_path / "b.keras", **changes))


@pytest.mark.parametrize(
    "changes",
    [{"module": 3}, {"module": [None]}, {"config": None}, {"class_name": "?"}],
)
def test_configurations_that_name_nothing(dense, tmp_path, changes):
    path = with_last_layer(dense, tmp_path / "b.keras", **changes)
    with pytest.raises(UnsafeModelError, match=r"^Unknown "):
        load_model(path)


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
        with pytest.raises(
            UnsafeModelError, match=r"Refused: .* is a `Lambda`"
        ):
            load_model(path, **options)
    assert not trace.exists()
    # The file is what it claims to be: it would have run.
    keras.saving.load_model(path, safe_mode=False)
    assert trace.exists()
