"""Files made to do harm: each is built here, refused, and does nothing.

Every file goes through `inspect_model` and `load_model`, and through a process
of its own in which neither Keras nor any code from a file may turn up. What a
file would do if it were loaded is to write into the folder that holds it, or to
fill the memory.
"""

import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_sharpness.saving import (
    Limits,
    ModelFileError,
    UnsafeModelError,
    inspect_model,
    load_model,
)
from tests.saving.files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    layer,
    members,
    small_model,
    with_config,
    with_weights,
    write_archive,
)

HOSTILE = {}


def hostile(match, error=UnsafeModelError):
    """Enters a function `build(small, path)` and what is said of its file."""

    def enter(build):
        HOSTILE[build.__name__] = (build, match, error)
        return build

    return enter


def with_layer(node, wrap=lambda node: node):
    """A builder of the small model with one more layer."""

    def build(small, path):
        def change(config):
            config["config"]["layers"].append(wrap(node))

        with_config(small, path, change)

    return build


def enter_layers(match, nodes):
    for name, node in nodes.items():
        build = with_layer(node)
        build.__name__ = name
        hostile(match.format(node["class_name"]))(build)


# -- the archive ---------------------------------------------------------------


def enter_members(match, names):
    for name, member in names.items():

        def build(small, path, member=member):
            write_archive(path, {**members(small), member: b"evil"})

        build.__name__ = name
        hostile(match)(build)


enter_members(
    "a member whose name leaves the archive, `.*Keras archive has the members",
    {
        "member_above": "../evil.py",
        "member_above_in_the_middle": "assets/../../evil.py",
        "member_at_the_root": "/tmp/evil.py",
        "member_of_windows": "C:\\evil.py",
        "member_above_of_windows": "..\\evil.py",
    },
)
enter_members(
    "holds another member, `.*each once and nothing else",
    {"member_of_python": "evil.py", "member_of_npz": "model.weights.npz"},
)
enter_members("holds another archive, `", {"archive_inside": "inner.keras"})
enter_members(
    r"holds the asset `assets/_layer/vocabulary\.txt`.*prepare its inputs",
    {"asset": "assets/_layer/vocabulary.txt"},
)


@hostile(r"holds `config\.json` more than once")
def member_twice(small, path):
    contents = members(small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        write_archive(path, [*contents.items(), (CONFIG, b"{}")])


@hostile("a symbolic link, `config.json`")
def symbolic_link(small, path):
    contents = members(small)
    link = zipfile.ZipInfo(CONFIG)
    link.create_system, link.external_attr = 3, 0o120777 << 16
    pairs = [(METADATA, contents[METADATA]), (WEIGHTS, contents[WEIGHTS])]
    write_archive(path, [*pairs, (link, b"/etc/hostname")])


@hostile("an encrypted member, `metadata.json`")
def encrypted(small, path):
    content = bytearray(small.read_bytes())
    # The flags of the first member, in its own header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@hostile("holds more than 100 members")
def many_members(small, path):
    more = {f"{number}": b"" for number in range(200)}
    write_archive(path, members(small) | more)


@hostile(r"`config\.json` has 67\.1 MB; the limit is 5\.24 MB")
def bomb_of_text(small, path):
    contents = {**members(small), CONFIG: b" " * (64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)


@hostile(r"weights\.h5` unpacks from .* kB to 67\.1 MB; the limit is 100 times")
def bomb_of_weights(small, path):
    contents = {**members(small), WEIGHTS: bytes(64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)


@hostile("Bad CRC-32.*Save it again", ModelFileError)
def bomb_that_lies_about_its_size(small, path):
    contents = {**members(small), CONFIG: b" " * (64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)
    content, size = path.read_bytes(), struct.pack("<L", 64 << 20)
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, struct.pack("<L", 1000)))


@hostile("not a zip archive", ModelFileError)
def pickled(small, path):
    path.write_bytes(pickle.dumps(Touch(path.parent / "canary")))


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@hostile("is the legacy HDF5 format.*Save the model again", ModelFileError)
def legacy_format(small, path):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(layer("keras", "Lambda"))


# -- the configuration --------------------------------------------------------


@hostile("Refused: layer `lambda` of `.*` is a `Lambda`.*Replace it by")
def lambda_that_runs(small, path):
    """What Keras itself writes for it, with the code of a function."""
    name = str(path.parent / "canary")
    inner = keras.layers.Lambda(
        lambda x: (open(name, "w").close(), x)[1], name="lambda"
    )
    keras.Sequential([keras.Input((3,)), inner]).save(path)
    os.remove(name)


CODE = r"Refused: layer `evil` of `.*` is a `{}`.*custom_objects="
enter_layers(
    CODE,
    {
        "lambda_in_another_module": layer("keras", "layers.Lambda"),
        "lambda_by_its_file": layer(
            "keras.src.layers.core.lambda_layer", "Lambda"
        ),
        "lambda_without_module": layer(None, "some_package>Lambda"),
        "lambda_of_a_function": layer(
            "keras.layers",
            "Lambda",
            {
                "function": {
                    "module": "keras.utils",
                    "class_name": "function",
                    "config": "get_file",
                    "registered_name": "get_file",
                }
            },
        ),
        "saved_model": layer(
            "keras.layers", "TFSMLayer", {"filepath": "/tmp/evil"}
        ),
        "torch": layer(
            "keras.layers", "TorchModuleWrapper", {"module": "gASVAAA="}
        ),
        "jax": layer("keras.layers", "JaxLayer"),
        "flax": layer("keras.layers", "FlaxLayer"),
    },
)
enter_layers(
    r"Refused: layer `evil` of `.*` is a `{}`.*reads files when.*without it",
    {
        "vocabulary_of_words": layer(
            "keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}
        ),
        "vocabulary_of_numbers": layer(
            "keras.layers",
            "IntegerLookup",
            {"vocabulary": "http://localhost/evil"},
        ),
        "vocabulary_of_texts": layer("keras.layers", "TextVectorization"),
        "hashes": layer("keras.layers", "Hashing"),
    },
)
enter_layers(
    r"Unknown layer class `.*{}` in `.*` \(once\)\. Only what comes with Keras",
    {
        "class_of_nobody": layer(None, "Evil"),
        "class_of_a_module": layer("evil_module", "Evil"),
        "class_of_the_system": layer("os", "system"),
        "class_of_another_package": layer(
            "keras_hub.models", "Evil", registered_name="keras_hub>Evil"
        ),
        "operation_with_a_function": layer(
            "keras.src.ops.core", "Map", registered_name="Map"
        ),
        "feature_space": layer("keras.utils", "FeatureSpace"),
    },
)
enter_layers(
    "Refused: a `{}` stands among the arguments in .* Put a number or a layer",
    {
        name: {"class_name": name, "config": {"value": "evil"}}
        for name in ("__bytes__", "__numpy__", "__tensor__", "__typespec__")
    },
)
enter_layers(
    r"`{}` in `.*` is registered as `.*The second name would load something",
    {
        "network_under_another_name": layer(
            "keras.layers", "Dense", registered_name="keras_sharpness>F1"
        ),
        "stranger_under_another_name": layer(
            "keras.layers", "Dense", registered_name="package>Evil"
        ),
        "network_without_its_name": layer("keras_sharpness.models.f1", "F1"),
    },
)


@hostile("Refused: a part of `.*` is a `__lambda__`")
def lambda_as_activation(small, path):
    node = {"class_name": "__lambda__", "config": {"value": ["4wA="]}}

    def change(config):
        config["config"]["layers"][-1]["config"]["activation"] = node

    with_config(small, path, change)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_in_layers_in_layers(small, path):
    node = layer("keras.layers", "Lambda")
    for wrapper in ("TimeDistributed", "Bidirectional", "RNN"):
        node = layer("keras.layers", wrapper, {"layer": node})
    with_layer(node)(small, path)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_among_the_arguments_of_a_call(small, path):
    def change(config):
        node = {"args": [layer("keras.layers", "Lambda")], "kwargs": {}}
        config["config"]["layers"][-1]["inbound_nodes"] = [node]

    with_config(small, path, change)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_as_loss(small, path):
    def change(config):
        config["compile_config"]["loss"] = layer("keras.layers", "Lambda")

    with_config(small, path, change)


@hostile("Refused: a part of `.*` is a `package>Lambda`")
def lambda_registered_as_something_else(small, path):
    node = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {},
        "registered_name": "package>Lambda",
    }
    with_layer(node)(small, path)


def enter_functions(functions):
    for name, (module, function) in functions.items():

        def build(small, path, module=module, function=function):
            node = {
                "module": module,
                "class_name": "function",
                "config": function,
                "registered_name": function,
            }

            def change(config):
                last = config["config"]["layers"][-1]["config"]
                last["activation"] = node

            with_config(small, path, change)

        build.__name__ = name
        hostile(rf"Unknown function `.*{function}` in `.*custom_objects=")(
            build
        )


enter_functions(
    {
        "function_of_the_system": ("os", "system"),
        "function_of_builtins": ("builtins", "exec"),
        "function_that_fetches": ("keras.utils", "get_file"),
        "function_that_loads": ("keras.saving", "load_model"),
        "function_that_turns_safety_off": (
            "keras.config",
            "enable_unsafe_deserialization",
        ),
        "function_of_another_module": ("keras.activations", "get_file"),
    }
)


@hostile("Unknown class `evil_module.Loss`")
def compiled_model_inside(small, path):
    """Keras compiles the models inside even if it does not the whole."""

    def change(config):
        inner = json.loads(json.dumps(config))
        inner["compile_config"]["loss"] = {
            "module": "evil_module",
            "class_name": "Loss",
            "config": {},
            "registered_name": "Loss",
        }
        config["config"]["layers"].append(inner)

    with_config(small, path, change)


@hostile("Unknown layer class `Dense`")
def layer_of_the_old_format(small, path):
    """Without a module Keras takes a path of its own, with fewer guards."""

    def change(config):
        del config["config"]["layers"][-1]["module"]

    with_config(small, path, change)


@hostile("holds a `Dense`, not a model", ModelFileError)
def no_model(small, path):
    def change(config):
        node = layer("keras.layers", "Dense", {"units": 3})
        config.clear()
        config.update(node)

    with_config(small, path, change)


def deep(depth):
    return (
        b'{"class_name": "A", "config": ' + b"[" * depth + b"]" * depth + b"}"
    )


@hostile(r"`config\.json` is nested too deeply; the limit is 200 levels")
def nested_deeply(small, path):
    write_archive(path, {**members(small), CONFIG: deep(300)})


@hostile(r"`config\.json` is nested too deeply")
def nested_beyond_the_parser(small, path):
    write_archive(path, {**members(small), CONFIG: deep(100_000)})


@hostile(r"`config\.json` has too many values; the limit is 200,000")
def many_values(small, path):
    content = b'{"class_name": "A", "config": [' + b"0," * 300_000 + b"0]}"
    write_archive(path, {**members(small), CONFIG: content})


@hostile("config.json: Exceeds the limit", ModelFileError)
def number_of_many_digits(small, path):
    content = b'{"class_name": ' + b"1" * 5000 + b"}"
    write_archive(path, {**members(small), CONFIG: content})


@hostile(
    r"declares 3,000,000,\d+ weights and stores \d+; most of them in `last`"
)
def layer_of_a_billion_units(small, path):
    def change(config):
        config["config"]["layers"][-1]["config"]["units"] = 10**9

    with_config(small, path, change)


@hostile(r"declares 1,000,000,\d+ weights .* most of them in `evil`")
def embedding_of_a_billion_words(small, path):
    arguments = {"input_dim": 10**9, "output_dim": 1}
    node = layer("keras.layers", "Embedding", arguments)
    with_layer(node)(small, path)


@hostile(r"declares .* most of them in `f1`")
def network_of_a_billion_classes(small, path):
    def change(config):
        node = layer(
            "keras_sharpness.models.f1",
            "F1",
            {"num_classes": 10**9, "input_shape": [3], "name": "f1"},
            registered_name="keras_sharpness>F1",
        )
        config.clear()
        config.update(node)

    with_config(small, path, change)


@hostile("`evil` of `.*` is a `Normalization` without the shape of its input")
def normalization_of_unknown_size(small, path):
    with_layer(layer("keras.layers", "Normalization"))(small, path)


# -- the weights ---------------------------------------------------------------

PLACE = "layers/dense/vars/0"
STRANGE = rf"Refused: `{PLACE}` among the weights of `.*` {{}}.*altered"


def hostile_weights(what):
    """Enters a function `change(file, folder)` of an open HDF5 file."""

    def enter(change):
        def build(small, path):
            def clear_and_change(file):
                del file[PLACE]
                change(file, path.parent)

            with_weights(small, path, clear_and_change)

        build.__name__ = change.__name__
        return hostile(STRANGE.format(what))(build)

    return enter


def secret(folder):
    """A file of somebody else that a hostile file would read."""
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.ones((8, 3), "float32")
    return str(path)


@hostile_weights("is a link to another file")
def external_link(file, folder):
    file[PLACE] = h5py.ExternalLink(secret(folder), "numbers")


@hostile_weights("is a soft link")
def soft_link(file, folder):
    file[PLACE] = h5py.SoftLink("/layers/dense_1/vars/0")


@hostile_weights("is stored in another file")
def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(bytes(96))
    file.create_dataset(
        PLACE,
        (8, 3),
        "float32",
        external=[(str(folder / "secret.bin"), 0, 96)],
    )


@hostile_weights("is put together from other files")
def virtual_array(file, folder):
    layout = h5py.VirtualLayout((8, 3), "float32")
    layout[:] = h5py.VirtualSource(secret(folder), "numbers", (8, 3))
    file.create_virtual_dataset(PLACE, layout)


@hostile_weights("is put together from other files")
def virtual_array_without_end(file, folder):
    """To learn its extent, HDF5 would open the other file."""
    layout = h5py.VirtualLayout((8, 3), "float32", maxshape=(None, 3))
    source = h5py.VirtualSource(
        secret(folder), "numbers", (8, 3), maxshape=(None, 3)
    )
    unlimited = h5py.h5s.UNLIMITED
    layout[:unlimited] = source[:unlimited]
    file.create_virtual_dataset(PLACE, layout)


@hostile_weights("is stored by way of a filter")
def compressed_bomb(file, folder):
    file.create_dataset(
        PLACE, (1 << 40,), "float32", chunks=(1 << 20,), compression="gzip"
    )


@hostile_weights("is stored by way of a filter")
def filter_of_a_plugin(file, folder):
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((8, 3))
    # Of LZ4, which HDF5 would look for in a folder of libraries.
    made.set_filter(32004, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((8, 3))
    kind = h5py.h5t.IEEE_F32LE
    h5py.h5d.create(file["layers/dense/vars"].id, b"0", kind, space, made)


@hostile_weights("is stored in chunks")
def chunks_of_a_fill_value(file, folder):
    file.create_dataset(
        PLACE, (1 << 40,), "float32", chunks=(1 << 20,), fillvalue=1.0
    )


@hostile_weights("claims 4.4e.* GB and holds 0 bytes")
def array_that_was_never_written(file, folder):
    file.create_dataset(PLACE, (1 << 40,), "float32")


@hostile_weights("stands at two places")
def array_at_two_places(file, folder):
    file[PLACE] = file["layers/dense_1/vars/0"]


@hostile("stands at two places")
def group_inside_of_itself(small, path):
    def change(file):
        file["layers/dense/again"] = file["layers"]

    with_weights(small, path, change)


@hostile_weights("does not hold numbers")
def array_of_texts(file, folder):
    file.create_dataset(PLACE, (3,), h5py.string_dtype())


@hostile_weights("does not hold numbers")
def array_of_references(file, folder):
    file.create_dataset(PLACE, (3,), h5py.ref_dtype)


@hostile_weights("does not hold numbers")
def array_of_records(file, folder):
    file.create_dataset(PLACE, (3,), [("a", "f4"), ("b", "f4")])


@hostile_weights("has no extent")
def array_without_extent(file, folder):
    file[PLACE] = h5py.Empty("f")


@hostile_weights("is neither a group nor an array")
def named_type(file, folder):
    file[PLACE] = np.dtype("float32")


@hostile("among the weights of .* is nested deeper than 100")
def nested_groups(small, path):
    with_weights(small, path, lambda file: file.create_group("0/" * 200))


@hostile("`layers/dense/vars` among .* has an attribute that is no text")
def attribute_of_numbers(small, path):
    def change(file):
        file["layers/dense/vars"].attrs["more"] = np.ones(1000)

    with_weights(small, path, change)


@hostile("weights.h5 is no HDF5 file", ModelFileError)
def weights_of_another_format(small, path):
    write_archive(path, {**members(small), WEIGHTS: b"\x93NUMPY" + bytes(99)})


@hostile("weights.h5 is no HDF5 file", ModelFileError)
def weights_behind_something_else(small, path):
    """HDF5 would find its signature at a later place, too."""
    contents = members(small)
    shifted = b"MZ" + bytes(510) + contents[WEIGHTS]
    write_archive(path, {**contents, WEIGHTS: shifted})


@hostile("weights.h5: .*truncated", ModelFileError)
def weights_cut_off(small, path):
    contents = members(small)
    half = contents[WEIGHTS][: len(contents[WEIGHTS]) // 2]
    write_archive(path, {**contents, WEIGHTS: half})


# -- the tests -----------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Path of a small model, not to be changed."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    small_model().save(path)
    return path


@pytest.fixture(scope="module")
def folders(small, tmp_path_factory):
    """A folder for each hostile file, with what it would touch."""
    root = tmp_path_factory.mktemp("hostile")
    found = {}
    for name, (build, _, _) in HOSTILE.items():
        folder = root / name
        folder.mkdir()
        (folder / "evil_module.py").write_text(
            f"open({str(folder / 'canary')!r}, 'w').close()\n"
        )
        build(small, folder / "evil.keras")
        found[name] = folder
    return found


def contents_of(folder):
    """All files below a folder, with their contents."""
    return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*")}


def test_there_are_many():
    assert len(HOSTILE) >= 25


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_and_nothing_touched(folders, tmp_path, monkeypatch, name):
    folder, (_, match, error) = folders[name], HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.syspath_prepend(folder)
    before, environment = contents_of(folder), dict(os.environ)
    path = folder / "evil.keras"
    tracemalloc.start()
    try:
        for read in (inspect_model, load_model):
            for source in (path, path.read_bytes()):
                with pytest.raises(error, match=match) as caught:
                    read(source, limits=Limits())
                # Subclasses would pass, too.
                assert caught.type is error
                assert "\n" not in str(caught.value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert contents_of(folder) == before
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == environment
    assert "evil_module" not in sys.modules
    # The largest of the bombs would need 64 MiB, most of them far more; what
    # is read of a file has less than one, and its values tens of them.
    # The smallest of the bombs is 64 MiB. Files are below 1 MiB, and JSON may
    # have 5 MiB.
    assert peak < 32 << 20


def test_refused_before_keras_and_without_running_anything(folders, small):
    """In a process that notes every file it opens and all code it runs."""
    code = """
import os, sys
from keras_sharpness.saving import Limits, ModelFileError, inspect_model
inspect_model(sys.argv[1], limits=Limits())  # all modules are imported now
watched = ("exec", "import", "marshal.", "pickle.", "open", "os.", "shutil.",
           "socket.", "subprocess.", "tempfile.", "ctypes.")
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
own, events = None, []
def note(event, arguments):
    if event.startswith(watched):
        reads = event == "open" and str(arguments[0]) == own
        if not reads or arguments[2] & writing:
            events.append((event, repr(arguments)[:200]))
sys.addaudithook(note)
accepted = 0
for folder in sys.argv[2:]:
    own = folder + "/evil.keras"
    try:
        inspect_model(own, limits=Limits())
        accepted += 1
    except ModelFileError:
        pass
heavy = {"keras", "tensorflow", "evil_module"} & set(sys.modules)
print(accepted, sorted(heavy), events)
"""
    command = [sys.executable, "-c", code, small, *folders.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 [] []"


def test_a_gigantic_model_of_honest_parts(small, tmp_path):
    """No shape is told, so that only building it shows what it would need."""

    def change(config):
        inner = config["config"]
        inner["layers"][0]["config"]["batch_shape"] = [None, 4000, 4000, 1]
        for node in [config, *inner["layers"]]:
            node.pop("build_config", None)
        inner.pop("build_input_shape", None)

    path = with_config(small, tmp_path / "a.keras", change)
    assert inspect_model(path, limits=Limits()).model_class == "Sequential"
    # 3998 x 3998 x 2 inputs of three units.
    message = r"declares 95,904,\d+ weights and stores \d+\. .*altered"
    with pytest.raises(UnsafeModelError, match=message):
        load_model(path, limits=Limits())


def test_a_file_over_the_limit_is_not_read(small):
    size = small.stat().st_size
    limits = Limits(file_bytes=size - 1)
    message = r"is \d\d.* kB; the limit is \d\d.* kB\. Load it in Python"
    for source in (small, small.read_bytes()):
        with pytest.raises(ModelFileError, match=message):
            inspect_model(source, limits=limits)
    assert inspect_model(small, limits=Limits(file_bytes=size)).size == size


def test_members_over_the_limit_together(small):
    message = r"its members unpack to \d\d.* kB; the limit is 10 kB"
    with pytest.raises(UnsafeModelError, match=message):
        inspect_model(small, limits=Limits(unpacked_bytes=10_000))


def test_too_many_parts_of_the_weights(small):
    message = r"`model\.weights\.h5` has too many parts; the limit is 10"
    with pytest.raises(UnsafeModelError, match=message):
        inspect_model(small, limits=Limits(objects=10))


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


def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.keras")
    with pytest.raises(ModelFileError, match="is no regular file"):
        inspect_model(tmp_path / "a.keras")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_nobody_uses(small, tmp_path, compression):
    path = write_archive(tmp_path / "a.keras", members(small), compression)
    with pytest.raises(ModelFileError, match="compressed in another way"):
        inspect_model(path)
