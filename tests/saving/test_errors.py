"""What is said of files that are refused."""

import pickle

import pytest

from keras_sharpness.saving import (
    KerasSharpnessError,
    ModelFileError,
    UnsafeModelError,
    inspect_model,
    load_model,
)
from tests.saving import (  # noqa: F401
    hostile_archives,
    hostile_configurations,
    hostile_graphs,
    hostile_layers,
    hostile_weights,
)
from tests.saving.files import (
    layer,
    with_config,
)
from tests.saving.hostile_graphs import write


def test_errors_can_be_kept(tmp_path):
    with pytest.raises(ModelFileError) as caught:
        inspect_model(tmp_path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert f"{error.headline} {error.remedy}" == str(error)


def test_one_base_class_catches_all():
    assert issubclass(UnsafeModelError, ModelFileError)
    assert issubclass(ModelFileError, KerasSharpnessError)


def test_texts_of_a_file_are_shown_without_markup(small, tmp_path):
    def change(config):
        node = layer("keras.layers", "Lambda", {"name": "`**[x](y)\n" * 50})
        config["config"]["layers"].append(node)

    path = with_config(small, tmp_path / "a.keras", change)
    with pytest.raises(UnsafeModelError) as caught:
        inspect_model(path.read_bytes(), name="up`load.keras")
    headline = caught.value.headline
    assert headline.startswith("Refused: layer `'**[x](y)?'**[x](y)?")
    assert headline.endswith("…` of `up'load.keras` is a `Lambda`.")
    # Five pairs would hold markup; three names stand in one pair each.
    assert headline.count("`") == 6
    assert len(headline) < 200


def test_long_errors_are_cut(small, tmp_path):
    dense = layer("keras.layers", "Dense", {"units": "?" * 500_000})
    sequence = layer("keras", "Sequential", {"name": "s", "layers": [dense]})
    with pytest.raises(ModelFileError) as caught:
        load_model(write(sequence, small, tmp_path / "a.keras"))
    assert len(str(caught.value)) < 1000
