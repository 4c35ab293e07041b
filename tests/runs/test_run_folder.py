import resource
import signal
import time

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.files import TEMPORARY_PREFIX
from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder
from keras_sharpness.saving import ModelFileError, UnsafeModelError
from keras_sharpness.training import TrainingHistory

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int64")


def small_model():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.03125),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return with_optimizer(model)


def with_optimizer(model):
    """As after a training: Keras warns of optimizers that have no state."""
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def run(tmp_path):
    """An empty run, open for writing."""
    with RunFolder.create_or_open(tmp_path / "run", {"seed": 0}) as folder:
        yield folder


def assert_same_weights(model, weights):
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_from_start_to_end(run):
    model = small_model()
    initial = model.get_weights()
    run.save_initial(model)
    assert not run.is_finished
    history = ks.train(
        model,
        X,
        Y,
        batch_size=8,
        epochs=2,
        checkpoint=run.checkpoint_path,
        progress=False,
    )
    run.save_model(model)
    assert not run.is_finished
    run.save_history(history)
    assert run.is_finished

    names = {path.name for path in run.path.iterdir()}
    assert names == {
        ".lock",
        "run.json",
        "initial.weights.h5",
        "training.checkpoint",
        "model.keras",
        "history.json",
    }
    opened = RunFolder.open(run.path)
    assert opened.is_finished
    loaded = opened.load_model()
    assert_same_weights(loaded, model.get_weights())
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)
    # The same compiled program on the same numbers.
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    fresh = small_model()
    fresh.load_weights(opened.initial_weights_path)
    assert_same_weights(fresh, initial)
    assert isinstance(opened.history(), TrainingHistory)
    np.testing.assert_array_equal(opened.history().loss, history.loss)
    values = opened.history_values()
    assert values["kind"] == "TrainingHistory"
    np.testing.assert_array_equal(values["loss"], history.loss)


def test_model_that_was_never_compiled(run):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    run.save_initial(model)
    run.save_model(model)
    assert_same_weights(run.load_model(), model.get_weights())
    initial = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    initial.load_weights(run.initial_weights_path)
    assert_same_weights(initial, model.get_weights())


def test_network_of_the_package(run):
    model = ks.models.F1(input_shape=(3,), num_classes=2, seed=0)
    model = with_optimizer(model)
    run.save_model(model)
    loaded = run.load_model()
    assert isinstance(loaded, ks.models.F1)
    assert loaded.compiled
    assert_same_weights(loaded, model.get_weights())


class Scale(keras.layers.Layer):
    """A layer that Keras knows nothing of."""

    def call(self, x):
        return 2.0 * x


def test_custom_objects(run):
    run.save_model(keras.Sequential([keras.Input((3,)), Scale()]))
    with pytest.raises(ModelFileError, match="Unknown layer class"):
        run.load_model()
    loaded = run.load_model(custom_objects={"Scale": Scale})
    np.testing.assert_array_equal(loaded(X), 2.0 * X)


def test_model_that_would_run_code(run):
    layer = keras.layers.Lambda(lambda x: x)
    keras.Sequential([keras.Input((3,)), layer]).save(run.model_path)
    with pytest.raises(UnsafeModelError):
        run.load_model()


def test_what_an_unfinished_run_does_not_have(run):
    for attempt, file in (
        (run.load_model, "model.keras"),
        (run.history, "history.json"),
        (run.history_values, "history.json"),
    ):
        with pytest.raises(RunFolderError) as error:
            attempt()
        assert str(error.value) == (
            f"{run.path} holds no {file}: the run is not finished. Repeat "
            "what made it, and it goes on where it stopped."
        )


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff"])
def test_damaged_history(run, content):
    file = run.path / "history.json"
    file.write_bytes(content)
    for attempt in (run.history, run.history_values):
        with pytest.raises(RunFolderError) as error:
            attempt()
        assert str(error.value).startswith(f"{file} cannot be read (")
        assert str(error.value).endswith("delete it and measure again.")


def test_nothing_is_written_to_a_folder_open_for_reading(run, number):
    model = small_model()
    opened = RunFolder.open(run.path)
    for attempt in (
        lambda: opened.save_initial(model),
        lambda: opened.save_model(model),
        lambda: opened.save_history(number(1.0)),
    ):
        with pytest.raises(RunFolderError, match="open for reading only"):
            attempt()
    names = {path.name for path in run.path.iterdir()}
    assert names == {".lock", "run.json"}


def test_history_that_is_no_result(run):
    with pytest.raises(TypeError, match="Only a `Result` can be stored"):
        run.save_history({"loss": [1.0]})


def test_later_files_replace_earlier_ones(run, number):
    for value in (1.0, 2.0):
        model = small_model()
        model.set_weights([np.full_like(w, value) for w in model.get_weights()])
        run.save_initial(model)
        run.save_model(model)
        run.save_history(number(value))
    assert_same_weights(run.load_model(), model.get_weights())
    assert run.history().value == 2.0


def test_model_that_cannot_be_saved_keeps_the_old_one(run):
    class Unsavable(keras.layers.Layer):
        def call(self, x):
            return x

        def get_config(self):
            raise OSError("no\nconfiguration")

    model = small_model()
    run.save_model(model)
    with pytest.raises(RunFolderError, match=r"written \(no\)\. Check"):
        run.save_model(keras.Sequential([keras.Input((3,)), Unsavable()]))
    assert_same_weights(run.load_model(), model.get_weights())
    assert not list(run.path.glob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize("method", ["save_initial", "save_model"])
def test_full_disk_keeps_what_was_there(run, method):
    """A limit on the size of files fails in the middle, as a full disk."""
    model = small_model()
    getattr(run, method)(model)
    before = {p: p.read_bytes() for p in run.path.iterdir() if p.suffix}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(RunFolderError, match="cannot be written"):
            getattr(run, method)(model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    after = {p: p.read_bytes() for p in run.path.iterdir() if p.suffix}
    assert after == before


SAVE_FOREVER = """
import itertools, os, signal, sys
import keras
from keras_sharpness.runs import RunFolder

run = RunFolder.create_or_open(sys.argv[1], {"seed": 0})
model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(1000)])
model.compile("sgd", "mse")
replace = os.replace

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

for i in itertools.count():
    model.set_weights([w * 0 + i for w in model.get_weights()])
    if i == 2 and sys.argv[2] == "whole":
        os.replace = die
    run.save_initial(model)
    run.save_model(model)
    if i == 1:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("moment", ["any", "whole"])
def test_kill_leaves_the_old_model_or_the_new(tmp_path, python, moment):
    """At any moment, and when a file is complete but has not its name yet."""
    path = tmp_path / "run"
    process = python(SAVE_FOREVER, path, moment)
    assert process.stdout.readline() == "ready\n"
    if moment == "any":
        time.sleep(np.random.default_rng(0).uniform(0.1, 0.4))
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    if moment == "whole":
        (left,) = path.glob(f"{TEMPORARY_PREFIX}*")
        assert left.name.endswith("-initial.weights.h5")
    run = RunFolder.create_or_open(path, {"seed": 0})
    assert not list(path.glob(f"{TEMPORARY_PREFIX}*"))
    model = run.load_model()
    saved = model.get_weights()
    model.load_weights(run.initial_weights_path)
    for weights in (saved, model.get_weights()):
        assert len({float(w) for v in weights for w in v.flat}) == 1
    if moment == "whole":
        assert saved[0].flat[0] == weights[0].flat[0] == 1.0


READ = """
import sys
from keras_sharpness.runs import StudyFolder, find_studies

(path,) = find_studies(sys.argv[1])
study = StudyFolder.open(path)
(run,) = study.runs()
assert run.is_finished
assert run.has("epsilon_sharpness-1e-3", {"epsilon": 1e-3})
values = run.read_values("epsilon_sharpness-1e-3")
print(repr(values["value"]), values["displacement"].shape)
print(run.history_values()["loss"], study.read_values("line")["kind"])
print({"keras", "tensorflow", "pandas", "scipy"} & set(sys.modules))
result = run.read("epsilon_sharpness-1e-3")
print(type(result).__module__, repr(result.value), "keras" in sys.modules)
"""


def test_reading_needs_neither_keras_nor_tensorflow(tmp_path, python):
    model = small_model()
    objective = ks.Objective(model, X, Y)
    sharpness = ks.epsilon_sharpness(objective, epsilon=1e-3, progress=False)
    study = StudyFolder.create_or_open(tmp_path / "study", {})
    line = ks.interpolate(
        objective,
        np.zeros(objective.size),
        objective.weights,
        alphas=np.array([0.0, 1.0]),
        progress=False,
    )
    study.write("line", line, {})
    with study.run("run", {}) as run:
        run.save_model(model)
        run.save_history(
            ks.train(model, X, Y, batch_size=20, epochs=1, progress=False)
        )
        run.write("epsilon_sharpness-1e-3", sharpness, {"epsilon": 1e-3})
    output, _ = python(READ, tmp_path).communicate()
    shape, loss = sharpness.displacement.shape, run.history().loss
    assert output.splitlines() == [
        f"{sharpness.value!r} {shape}",
        f"{loss} Interpolation",
        "set()",
        f"{type(sharpness).__module__} {sharpness.value!r} True",
    ]
