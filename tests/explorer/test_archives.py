"""Archives as people have them: words, regressions, one-hot rows, columns."""

import re

import keras
import numpy as np
import pytest
from work.data import DataChoice
from work.jobs import Job
from work.measure import Measure
from work.minimum import Minimum
from work.request import script

layers = keras.layers
RNG = np.random.default_rng(0)
WORDS = RNG.integers(0, 30, (40, 6)).astype("int32")
NUMBERS = RNG.normal(size=(40, 5)).astype("float32")
PIXELS = RNG.integers(0, 256, (40, 4, 4)).astype("uint8")
CLASSES = np.arange(40) % 3


def squared(p, y):
    return np.mean((np.asarray(p) - y.reshape(len(y), -1)) ** 2)


def crossentropy(p, y):
    rows = np.eye(3)[y] if y.ndim == 1 else y
    return -np.mean(np.sum(rows * np.log(p), axis=-1))


def binary(p, y):
    y = y.reshape(len(y), -1)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def embedding():
    return [layers.Embedding(30, 3), layers.GlobalAveragePooling1D()]


CASES = {
    "words": (
        WORDS,
        CLASSES,
        lambda: [*embedding(), layers.Dense(3, "softmax")],
        crossentropy,
    ),
    "words, regression": (
        WORDS,
        NUMBERS[:, 0],
        lambda: [*embedding(), layers.Dense(1)],
        squared,
    ),
    "regression": (NUMBERS, NUMBERS[:, 1], lambda: [layers.Dense(1)], squared),
    "several targets": (
        NUMBERS,
        NUMBERS[:, :2],
        lambda: [layers.Dense(2)],
        squared,
    ),
    "one-hot rows": (
        NUMBERS,
        np.eye(3, dtype="uint8")[CLASSES],
        lambda: [layers.Dense(3, "softmax")],
        crossentropy,
    ),
    "several labels": (
        NUMBERS,
        (NUMBERS[:, :2] > 0).astype("uint8"),
        lambda: [layers.Dense(2, "sigmoid")],
        binary,
    ),
    "images without channels, a column of labels": (
        PIXELS,
        CLASSES[:, None].astype("uint8"),
        lambda: [
            layers.Reshape((4, 4)),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ],
        crossentropy,
    ),
}


def measured(folder, model, x, y, **choice):
    """What the page does with a dropped model and archive."""
    model.save(folder / "model.keras")
    np.savez(
        folder / "own.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9]
    )
    minimum = Minimum(
        name="model.keras", path=folder / "model.keras", is_shared=False
    )
    data = DataChoice(
        name="own.npz",
        num_samples=None,
        file=folder / "own.npz",
        sha256=str(folder),
        **choice,
    )
    request = Measure(minima=(minimum,), data=data, quantity="evaluation")
    results = []
    job = Job((), "", lambda job: results.append(request.run(job)), folder)
    job.run()
    return request, job, results


@pytest.mark.parametrize("name", CASES)
def test_measured_with_the_fitting_loss(name, tmp_path, monkeypatch):
    x, y, made, loss = CASES[name]
    shape = (4, 4, 1) if x.ndim == 3 else x.shape[1:]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *made()])
    request, job, results = measured(tmp_path, model, x, y)
    assert job.state == "done", job.message
    scaled = x[..., None] / 255 if x.ndim == 3 else x
    labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    expected = loss(model.predict(scaled, verbose=0), labels)
    # Float32 sums of 40 samples.
    assert results[0].train_loss == pytest.approx(expected, rel=1e-5)
    # The Python that the page gives finds the same.
    monkeypatch.chdir(tmp_path)
    values = {}
    exec(script([request]), values)
    found = values["measurement"]["train"]["loss"]
    assert found == pytest.approx(results[0].train_loss, rel=1e-6)


def two_outputs():
    inputs = keras.Input((5,))
    return keras.Model(
        inputs, [layers.Dense(3)(inputs), layers.Dense(1)(inputs)]
    )


def two_inputs():
    inputs = [keras.Input((5,)), keras.Input((5,))]
    return keras.Model(inputs, layers.Dense(3)(layers.Add()(inputs)))


def of_words():
    return keras.Sequential([keras.Input((6,)), *embedding(), layers.Dense(3)])


def of_numbers():
    return keras.Sequential([keras.Input((5,)), layers.Dense(3)])


@pytest.mark.parametrize(
    ("model", "x", "y", "choice", "message"),
    [
        (two_outputs, NUMBERS, CLASSES, {}, r"2 outputs.*\[y1, y2\]"),
        (two_inputs, NUMBERS, CLASSES, {}, r"2 inputs.*\[x1, x2\]"),
        (of_words, WORDS.astype("uint8"), CLASSES, {}, "int32"),
        (
            of_numbers,
            NUMBERS,
            NUMBERS[:, 0],
            {"loss": "logits"},
            "takes class labels.*squared error of the targets",
        ),
    ],
)
def test_refused_with_what_to_do(tmp_path, model, x, y, choice, message):
    _, job, _ = measured(tmp_path, model(), x, y, **choice)
    assert job.state == "failed"
    assert re.search(message, job.message), job.message
