"""Archives of the user's own, good and broken."""

import numpy as np
import pytest

from keras_sharpness import data
from keras_sharpness.data.npz import has_labels


def arrays():
    """The four arrays of a valid archive."""
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.normal(size=(9, 360)).astype("float32"),
        "y_train": np.arange(9, dtype="uint8") % 4,
        "x_test": generator.normal(size=(5, 360)).astype("float32"),
        "y_test": np.array([0, 1, 5, 2, 3], dtype="int32"),
    }


@pytest.fixture
def write(tmp_path):
    """A function that writes an archive with some arrays replaced."""

    def write(**changes):
        path = tmp_path / "speech.npz"
        np.savez(path, **arrays() | changes)
        return path

    return write


@pytest.mark.parametrize("load", [data.load_npz, data.load])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_floats_are_taken_as_they_are(write, load, kind):
    path = write(unused=np.arange(3))

    speech = load(kind(path))

    for name in ("x_train", "x_test"):
        np.testing.assert_array_equal(getattr(speech, name), arrays()[name])
    assert speech.x_train.dtype == "float32"
    assert speech.y_train.dtype == speech.y_test.dtype == "int64"
    np.testing.assert_array_equal(speech.y_test, arrays()["y_test"])
    # Label 5 occurs in the test split only.
    assert speech.num_classes == 6
    assert speech.input_shape == (360,)
    assert speech.name == "speech"
    assert speech.source == str(path)


def test_float64_stays_float64(write):
    x_train = np.full((9, 360), 1e-300)

    speech = data.load_npz(write(x_train=x_train))

    np.testing.assert_array_equal(speech.x_train, x_train)


def test_pixels_are_divided_by_255(write):
    pixels = np.arange(256, dtype="uint8").reshape(4, 8, 8, 1)
    path = write(
        x_train=pixels, y_train=np.arange(4), x_test=pixels, y_test=np.arange(4)
    )

    images = data.load_npz(path)

    assert images.x_test.dtype == "float32"
    expected = np.array([np.float32(k) / np.float32(255) for k in range(256)])
    np.testing.assert_array_equal(images.x_train.ravel(), expected)


def test_column_of_labels(write):
    column = (np.arange(9) % 4)[:, np.newaxis]

    speech = data.load_npz(write(y_train=column))

    np.testing.assert_array_equal(speech.y_train, column[:, 0])


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file.*absent"):
        data.load(tmp_path / "absent.npz")


@pytest.mark.parametrize("length", [0, 3, 100, -30])
def test_truncated_file(write, length):
    path = write()
    path.write_bytes(path.read_bytes()[:length])

    with pytest.raises(ValueError, match=r"not an `\.npz` archive"):
        data.load_npz(path)


def test_flipped_bits(write):
    path = write()
    content = bytearray(path.read_bytes())
    content[5000] ^= 255  # inside `x_train`
    path.write_bytes(content)

    with pytest.raises(
        ValueError, match=r"`x_train` of .* cannot be read.*CRC"
    ):
        data.load_npz(path)


def test_single_array(tmp_path):
    path = tmp_path / "single.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))

    with pytest.raises(ValueError, match=r"not an `\.npz` archive"):
        data.load_npz(path)


def test_missing_arrays_are_named(tmp_path):
    path = tmp_path / "keys.npz"
    np.savez(path, x_train=np.zeros((2, 2)), images=np.zeros(2), y_test=[0, 1])

    with pytest.raises(
        ValueError,
        match=r"Missing: y_train, x_test\. Present: x_train, images, y_test\.",
    ):
        data.load_npz(path)


def test_objects_are_not_unpickled(write):
    ragged = np.array([[1, 2], [3]], dtype=object)

    with pytest.raises(ValueError, match=r"`x_test` of .* not of objects"):
        data.load_npz(write(x_test=ragged))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((9, 360), "int64")}, "one shape.*int64.*float"),
        ({"x_train": np.zeros((9, 2, 2, 1), "int64")}, "`x_train`.*uint8.*int"),
        ({"x_test": np.zeros((5, 2), "complex64")}, "`x_test`.*complex64"),
        ({"x_train": np.array(["a"] * 9)}, "`x_train`.*must be floats"),
        ({"x_train": np.full((9, 360), np.nan)}, "`x_train`.*finite.*3240"),
        ({"x_test": np.full((5, 360), np.inf)}, "`x_test`.*finite.*1800"),
        ({"x_train": np.zeros((8, 360))}, r"`y_train`.*each of the 8"),
        ({"x_test": np.zeros((5, 359))}, r"one shape.*\(5, 359\)"),
        ({"x_test": np.zeros((0, 360)), "y_test": np.zeros(0, int)}, "x_test"),
        ({"x_train": np.zeros((0, 360)), "y_train": np.zeros(0, int)}, "x_tr"),
        (
            {"y_test": np.arange(5) / 2},
            "floats both.*uint8.*float64",
        ),
        ({"y_test": np.eye(5, dtype=int)}, r"one shape.*\(9,\).*\(5, 5\)"),
        (
            {"y_train": np.ones(9), "y_test": np.full(5, np.nan)},
            "y_test.*finite",
        ),
        (
            {"y_train": np.ones(8), "y_test": np.ones(5)},
            "y_train.*each of the 9",
        ),
        ({"y_train": np.array(["a"] * 9)}, "`y_train`.*integer labels"),
        (
            {"y_train": np.zeros(9, int), "y_test": np.zeros(5, int)},
            "`num_classes` must be an integer of at least 2",
        ),
    ],
)
def test_arrays_that_do_not_fit(write, changes, message):
    with pytest.raises(ValueError, match=message):
        data.load_npz(write(**changes))


def test_words_are_whole_numbers(write):
    words = np.arange(36, dtype="int32").reshape(9, 4)

    texts = data.load_npz(write(x_train=words, x_test=words[:5]))

    assert texts.x_train.dtype == "int32"
    np.testing.assert_array_equal(texts.x_train, words)
    assert texts.num_classes == 6


@pytest.mark.parametrize(
    ("y_train", "y_test"),
    [
        (np.linspace(-1, 1, 9), np.linspace(0, 1, 5)),
        (np.ones((9, 3)), np.zeros((5, 3))),
        (np.eye(9, 4, dtype="uint8"), np.eye(5, 4, dtype="uint8")),
        # Whole numbers, but no labels.
        (np.arange(9) - 4, np.arange(5)),
    ],
)
def test_other_targets_are_taken_as_they_are(write, y_train, y_test):
    path = write(y_train=y_train, y_test=y_test)

    found = data.load_npz(path)

    assert type(found) is data.SampleData
    for name, y in (("y_train", y_train), ("y_test", y_test)):
        np.testing.assert_array_equal(getattr(found, name), y)
        assert getattr(found, name).dtype == y.dtype
    assert not has_labels(path)
    assert found.take(4, 2, seed=1).y_train.shape == (4, *y_train.shape[1:])


def test_names_of_medmnist(tmp_path):
    path = tmp_path / "medmnist.npz"
    pixels = np.full((6, 8, 8), 51, "uint8")
    labels = (np.arange(6, dtype="uint8") % 3)[:, np.newaxis]
    np.savez(
        path,
        train_images=pixels,
        train_labels=labels,
        val_images=pixels[:1],
        val_labels=labels[:1],
        test_images=pixels[:3],
        test_labels=labels[:3],
    )

    found = data.load_npz(path)

    assert found.x_train.shape == (6, 8, 8)
    np.testing.assert_allclose(found.x_test, 0.2, rtol=1e-7)  # float32
    np.testing.assert_array_equal(found.y_test, [0, 1, 2])
    assert has_labels(path)


def test_ragged_lists_are_padded_first(tmp_path):
    """As `keras.datasets.imdb` keeps its words."""
    path = tmp_path / "imdb.npz"
    words = np.array([[1, 2], [3]], dtype=object)
    np.savez(path, x_train=words, y_train=[0, 1], x_test=words, y_test=[0, 1])

    with pytest.raises(ValueError, match="pad_sequences"):
        data.load_npz(path)
