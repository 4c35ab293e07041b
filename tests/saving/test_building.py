"""What a model needs is counted before any of it is there."""

import json
import threading

import keras
import pytest

from keras_sharpness.saving import (
    Limits,
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
    small_model,
    with_config,
)
from tests.saving.hostile_graphs import call, functional, node, tensor, write


def in_a_row(class_name, name, shape, **config):
    """A layer on the input, and its mean."""
    first = node(class_name, name, call(tensor("in", shape=shape)), **config)
    return functional([first], name, shape=shape)


BILLION = 1_000_000_000


IMAGE = (None, 4, 4, 1)


LARGE = {
    "repeated": (in_a_row("RepeatVector", "r", (None, 4), n=BILLION), 4e9),
    "enlarged": (
        in_a_row("UpSampling2D", "u", IMAGE, size=[50_000, 50_000]),
        4e10,
    ),
    "padded": (
        in_a_row("ZeroPadding1D", "p", (None, 4, 1), padding=BILLION),
        2e9 + 4,
    ),
    "resized": (
        in_a_row("Resizing", "r", IMAGE, height=100_000, width=100_000),
        1e10,
    ),
    "encoded": (
        in_a_row(
            "CategoryEncoding",
            "c",
            (None, 4),
            num_tokens=BILLION,
            output_mode="multi_hot",
        ),
        1e9,
    ),
    "fixed_batch": (in_a_row("ReLU", "r", (BILLION, 4)), 4e9),
    "broadcast": (
        functional(
            [
                node(
                    "Reshape",
                    name,
                    call(tensor("in", shape=(None, 50_000))),
                    target_shape=shape,
                )
                for name, shape in (("a", [50_000, 1]), ("b", [1, 50_000]))
            ]
            + [node("Add", "s", call([tensor("a"), tensor("b")]))],
            "s",
            shape=(None, 50_000),
        ),
        2 * 50_000 + 50_000**2,
    ),
    # As many scores as pairs of places; the rest is what layers return.
    "attention": (
        functional(
            [
                node("RepeatVector", "r", call(tensor("in")), n=100_000),
                node("Attention", "a", call([tensor("r"), tensor("r")])),
            ],
            "a",
        ),
        1e10 + 2 * 4e5,
    ),
    # The inner model has no size of its own; 16 times 4 numbers to 1e8.
    "in_a_model": (
        functional(
            [
                {
                    **in_a_row(
                        "UpSampling1D", "u", (None, None, 1), size=25_000_000
                    ),
                    "name": "f",
                    "inbound_nodes": [call(tensor("in", shape=(None, 40, 1)))],
                }
            ],
            "f",
            name="outer",
            shape=(None, 40, 1),
        ),
        2 * 40 * 25e6,
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_activations_are_counted_before_anything_runs(small, tmp_path, name):
    config, count = LARGE[name]
    path = write(config, small, tmp_path / "a.keras")
    number = f"{int(count):,}"
    with pytest.raises(UnsafeModelError, match=f"make {number} numbers of one"):
        load_model(path, limits=Limits())


def test_activations_up_to_the_limit(tmp_path):
    """Convolution 2 x 2 x 2, its statistics twice, and what Dense returns."""
    path = tmp_path / "a.keras"
    small_model().save(path)
    # conv, norm, relu, flatten with 8 numbers each, then 3 and 2.
    assert load_model(path, limits=Limits(activations=37)).count_params() > 0
    with pytest.raises(UnsafeModelError, match="make 37 numbers"):
        load_model(path, limits=Limits(activations=36))


def test_a_sequence_is_built_once(tmp_path):
    """Keras' own reading builds it for each layer, and leaves the calls."""
    layers = [keras.layers.Identity() for _ in range(20)]
    inner = keras.Sequential([keras.Input((3,)), keras.layers.ReLU(), *layers])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.save(tmp_path / "a.keras")
    loaded = load_model(tmp_path / "a.keras")
    assert type(loaded) is type(loaded.layers[0]) is keras.Sequential
    for one in (*loaded.layers, *loaded.layers[0].layers):
        assert len(one._inbound_nodes) == 1
    # As lists; Keras has some as tuples.
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())


def test_an_unbuilt_sequence_in_a_file(small, tmp_path):
    dense = layer("keras.layers", "Dense", {"name": "d", "units": 2})
    config = {"name": "s", "layers": [dense], "build_input_shape": [None, 4]}
    sequence = layer("keras", "Sequential", config)
    with pytest.raises(ModelFileError, match="could not be loaded"):
        load_model(write(sequence, small, tmp_path / "a.keras"))


def test_a_gigantic_model_of_honest_parts(small, tmp_path):
    """No shape is told, so that only building it shows what it would need."""

    def change(config):
        inner = config["config"]
        inner["layers"][0]["config"]["batch_shape"] = [None, 4000, 4000, 1]
        for part in [config, *inner["layers"]]:
            part.pop("build_config", None)
        inner.pop("build_input_shape", None)

    path = with_config(small, tmp_path / "a.keras", change)
    assert inspect_model(path, limits=Limits()).model_class == "Sequential"
    # 3998 x 3998 x 2 inputs of three units.
    message = r"declares 95,904,\d+ weights and stores \d+\. .*altered"
    with pytest.raises(UnsafeModelError, match=message):
        load_model(path, limits=Limits())


@pytest.fixture
def dense(tmp_path):
    """Path of a model of one layer."""
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    return path


def test_building_twice_leaves_no_trace_in_names_or_threads(dense):
    """Keras counts the layers it names; those of the rehearsal do not count."""
    keras.backend.clear_session()
    threads = threading.active_count()
    load_model(dense)
    assert keras.layers.Dense(1).name == "dense"
    assert threading.active_count() == threads
