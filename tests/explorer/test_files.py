"""Dropped files: from the drop to a number, and what is refused."""

import io
import zipfile

import numpy as np
import pytest

from keras_sharpness import landscape
from keras_sharpness.metrics import Objective
from keras_sharpness.saving import load_model
from tests.explorer.driving import finish, is_clean, press, specs, texts

pytestmark = pytest.mark.app
SMALL = {"samples": "64", "points": "7"}


def drop(app, *paths):
    files = [(p.name, p.read_bytes(), "application/zip") for p in paths]
    return app.file_uploader[0].set_value(files).run()


def drop_data(app, name, content):
    return app.file_uploader[1].set_value([(name, content, "")]).run()


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.random((48, 28, 28, 1), dtype=np.float32),
        "y_train": np.arange(48) % 10,
        "x_test": generator.random((32, 28, 28, 1), dtype=np.float32),
        "y_test": np.arange(32) % 10,
    }


def test_two_dropped_models_are_interpolated(opened, model_files, data):
    paths = model_files["first"], model_files["second"]
    app = drop(opened(view="Between", **SMALL), *paths)
    assert is_clean(app)
    assert texts(app.title) == ["Dropped files"]
    app = drop_data(app, "own.npz", archive(**data))
    assert is_clean(app)
    assert app.selectbox(key="data").value == "own.npz"
    assert "14 loss evaluations on 64 samples" in " ".join(texts(app.markdown))
    app = finish(press(app, "Compute"))
    assert is_clean(app)
    (chart,) = specs(app)
    assert "from first to second" in chart["title"]["text"][0]

    first, second = (load_model(path) for path in paths)
    expected = landscape.interpolate(
        Objective(first, data["x_train"], data["y_train"], loss=crossentropy()),
        first,
        second,
        alphas=np.linspace(-1, 2, 7),
    )
    barrier, _, distance = app.metric
    assert barrier.value == f"{expected.barrier:.4g}"
    assert distance.value == f"{expected.distance:.4g}"


def crossentropy():
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_dropped_models_are_measured(opened, model_files):
    app = drop(opened(samples="64"), model_files["wide"])
    assert is_clean(app)
    assert "5 computations" in " ".join(texts(app.markdown))
    app = finish(press(app, "Measure"))
    assert is_clean(app)
    table = app.dataframe[0].value
    assert list(table.index) == ["wide"]
    assert np.isfinite(table).all(axis=None)
    model = load_model(model_files["wide"])
    norm = np.sqrt(sum((w**2).sum() for w in model.get_weights()))
    # Squares summed in another order, in float32 there.
    assert table.loc["wide", "‖w‖"] == pytest.approx(norm, rel=1e-5)


def test_other_architectures_have_no_way_between_them(opened, model_files):
    app = opened(view="Between")
    app = drop(app, model_files["first"], model_files["wide"])
    assert not app.exception
    (error,) = texts(app.error)
    assert "(16, 3)" in error
    assert "(16, 4)" in error
    assert not [b for b in app.button if b.label == "Compute"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x_train": np.zeros((48, 5)), "x_test": np.zeros((32, 5))},
            "(48, 5)",
        ),
        ({"y_train": np.arange(48)}, "48 classes"),
        ({"y_test": np.zeros((32, 3))}, "integer labels"),
        ({"x_test": np.array(["a"] * 32)}, "floats"),
    ],
)
def test_data_that_do_not_fit(opened, model_files, data, change, message):
    app = drop(opened(view="Spectrum"), model_files["first"])
    app = drop_data(app, "own.npz", archive(**{**data, **change}))
    app = finish(press(app, "Compute"))
    assert not app.exception
    (error,) = texts(app.error)
    assert message in error
    assert "/tmp" not in error
    assert not specs(app)


def bomb():
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x_train.npy", "w") as member,
    ):
        member.write(bytes(1 << 20))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [(lambda: b"no archive", "not an `.npz`"), (bomb, "the limit is")],
)
def test_refused_archives(opened, monkeypatch, content, message):
    monkeypatch.setattr("work.data._MOST_BYTES", 1 << 19)
    app = drop_data(opened(), "own.npz", content())
    assert not app.exception
    assert message in texts(app.error)[0]
    assert "own.npz" not in app.selectbox(key="data").options


def hostile(source, change):
    """A copy of a model file with another configuration."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = change(content)
            new.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "word"),
    [
        ("old.keras", lambda _: b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        ("cut.keras", lambda path: path.read_bytes()[:-200], "archive"),
        ("empty.keras", lambda _: b"", "empty.keras"),
        (
            "code.keras",
            lambda path: hostile(
                path, lambda c: c.replace(b'"AveragePooling2D"', b'"Lambda"')
            ),
            "Lambda",
        ),
        (
            "own.keras",
            lambda path: hostile(
                path, lambda c: c.replace(b'"AveragePooling2D"', b'"MyPool"')
            ),
            "MyPool",
        ),
    ],
)
def test_refused_models(opened, model_files, name, make, word):
    app = opened()
    content = make(model_files["first"])
    app = app.file_uploader[0].set_value([(name, content, "")]).run()
    assert not app.exception
    assert word in " ".join(texts(app.error))
    # What was looked at before still is.
    assert app.selectbox(key="study").value == "demo pair"


def test_one_refused_file_does_not_keep_out_the_others(opened, model_files):
    good = model_files["first"]
    app = opened()
    files = [
        ("bad.keras", b"PK\x03\x04", ""),
        (good.name, good.read_bytes(), ""),
    ]
    app = app.file_uploader[0].set_value(files).run()
    assert len(app.error) == 1
    assert texts(app.title) == ["Dropped files"]
    app.run()
    assert is_clean(app)


def test_a_closed_file_is_forgotten(opened, model_files):
    app = drop(opened(), model_files["first"], model_files["second"])
    app.button(key="close-first").click().run()
    assert is_clean(app)
    assert list(app.dataframe[0].value.index) == ["second"]
    app.button(key="close-second").click().run()
    assert not app.exception
    assert "Drop them again" in texts(app.info)[0]


def test_the_same_file_twice_is_one_minimum(opened, model_files):
    app = drop(opened(), model_files["first"])
    app = drop(app, model_files["first"])
    assert list(app.dataframe[0].value.index) == ["first"]


def test_a_link_to_dropped_files(opened):
    app = opened(study="dropped files", view="Between")
    assert is_clean(app)
    assert "drop" in texts(app.info)[0].lower()


def test_sessions_do_not_see_each_other(opened, model_files):
    one = drop(opened(), model_files["first"])
    other = opened()
    assert "dropped files" not in other.selectbox(key="study").options
    other = drop(other, model_files["second"])
    assert list(one.run().dataframe[0].value.index) == ["first"]
    assert list(other.run().dataframe[0].value.index) == ["second"]


def test_old_keras_keeps_uploads_off(opened, monkeypatch):
    # The version that is told of; no other one can be installed here.
    import importlib.metadata

    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "3.14.1" if name == "keras" else real(name),
    )
    app = opened()
    assert not app.exception
    assert "3.14.1" in texts(app.warning)[0]
    assert len(app.file_uploader) == 1
    assert len(specs(app)) == 1


def test_a_model_of_two_outputs_says_where_it_can_be_measured(opened, tmp_path):
    import keras

    inputs = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(inputs)
    heads = [keras.layers.Dense(units)(flat) for units in (10, 1)]
    path = tmp_path / "two.keras"
    keras.Model(inputs, heads).save(path)
    app = drop(opened(samples="64"), path)
    assert is_clean(app)
    app = finish(press(app, "Measure"))
    assert not app.exception
    (error,) = texts(app.error)
    assert "2 outputs" in error
    assert "[y1, y2]" in error


def test_a_regression_is_measured(opened, tmp_path):
    import keras

    x = np.random.default_rng(0).random((48, 5), dtype=np.float32)
    y = x.sum(axis=1)
    path = tmp_path / "sum.keras"
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.save(path)
    app = drop(opened(samples="0"), path)
    content = archive(x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    app = finish(press(drop_data(app, "sums.npz", content), "Measure"))
    assert is_clean(app)
    table = app.dataframe[0].value
    residual = model.predict(x, verbose=0)[:, 0] - y
    # Float32 sums of 48 samples.
    expected = pytest.approx(np.mean(residual**2), rel=1e-5)
    assert table.loc["sum", "train loss"] == expected
