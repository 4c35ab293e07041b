import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import keras_sharpness
from keras_sharpness.results import Result, decode, encode
from keras_sharpness.version import __version__


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sample(Result):
    value: float
    vector: np.ndarray | None = None
    notes: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class OtherSample(Result):
    value: float


def through_json(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


def assert_same_bits(array, expected):
    assert isinstance(array, np.ndarray)
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert array.tobytes() == expected.tobytes()


def extremes(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([info.min, 0, 1, info.max], dtype)
    if dtype.kind in "fc":
        info = np.finfo(dtype)
        special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1 / 3]
        edges = [info.max, info.tiny, info.smallest_subnormal, info.eps]
        return np.array([*special, *edges], dtype)
    if dtype.kind in "mM":
        return np.array(["NaT", 1, -(2**40)], dtype)
    if dtype.kind in "US":
        return np.array(["", "a", "abc"], dtype)
    return np.array([False, True], dtype)


# Complex long double has no `smallest_subnormal` of its own in NumPy, and no
# function here returns it.
DTYPES = [
    *"?bBhHiIlLqQefdgFD",
    *(">i4", ">f8", "<u2", "U3", "S3", "M8[ns]", "m8[s]"),
]


@pytest.mark.parametrize("repeats", [1, 600], ids=["listed", "packed"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_keep_dtype_and_bits(dtype, repeats):
    array = np.tile(extremes(dtype), repeats)
    assert (array.size > 1000) == (repeats > 1)
    assert_same_bits(through_json(array), array)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "?", "F", "U2", "S1"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0, 5), (2, 3), (1, 1)])
def test_arrays_keep_their_shape(shape, dtype):
    array = np.ones(shape, dtype)
    assert_same_bits(through_json(array), array)


@pytest.mark.parametrize("length", [4, 40])
def test_arrays_that_are_not_contiguous(length):
    array = np.arange(length**2 * 2.0).reshape(length, 2 * length)
    for view in (array.T, array[:, ::2], np.asfortranarray(array)):
        assert_same_bits(through_json(view), np.ascontiguousarray(view))


def test_decoded_arrays_can_be_written_to():
    for size in (3, 2000):
        array = through_json(np.zeros(size))
        array[0] = 1.0
        assert array.sum() == 1.0


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.ones(3, ml_dtypes.bfloat16),
    ],
    ids=["object", "structured", "bfloat16"],
)
def test_arrays_that_would_lose_their_dtype_are_refused(array):
    with pytest.raises(TypeError, match=r"cannot be saved\. Convert it"):
        encode(array)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**80),
        "",
        "ε-sharpness \U0001f600 \ud800",
        0.1,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        float("inf"),
        float("-inf"),
        {},
        (),
        {"a": {"b": ({"c": (1, 2.5, None)}, ())}},
        # What `encode` puts in the place of other values, as a user's own.
        {"float": 3.0},
        {"array": 1, "dtype": 2, "shape": 3},
        {"packed": "a", "dtype": "b", "shape": "c"},
        {"dict": {"float": "nan"}},
        {"dict": 3},
    ],
    ids=repr,
)
def test_plain_values_round_trip(value):
    back = through_json(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)  # the sign of zero


def test_nan_round_trips():
    assert np.isnan(through_json({"a": float("nan")})["a"])


def test_lists_come_back_as_tuples():
    assert through_json([1, [2, [3]]]) == (1, (2, (3,)))


def test_arrays_inside_of_nested_values():
    value = {"runs": ({"z": np.arange(3.0), "big": np.arange(2000)},)}
    back = through_json(value)
    assert_same_bits(back["runs"][0]["z"], np.arange(3.0))
    assert_same_bits(back["runs"][0]["big"], np.arange(2000))


def test_numpy_scalars_become_plain():
    values = (np.float32(0.1), np.int64(3), np.bool_(True), np.str_("a"))
    back = through_json(values)
    assert back == (float(np.float32(0.1)), 3, True, "a")
    assert [type(v) for v in back] == [float, int, bool, str]
    assert through_json(np.float64("-inf")) == -np.inf


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), 1j, b"bytes", pathlib.Path("a"), np.longdouble(1)],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_does_not_know_are_refused(value):
    with pytest.raises(TypeError, match=r"Convert it, e\.g\. with"):
        encode({"a": [value]})


@pytest.mark.parametrize(
    "value",
    [
        {"float": "x"},
        {"float": None},
        {"array": [1, 2], "dtype": "<f8", "shape": [3]},
        {"array": ["x"], "dtype": "<f8", "shape": [1]},
        {"array": [1], "dtype": "no such", "shape": [1]},
        {"array": [1], "dtype": "<f8", "shape": "x"},
        {"packed": "~~ é", "dtype": "<f8", "shape": [1]},
        {"packed": "00000", "dtype": "<f8", "shape": [1]},
        {"packed": 3, "dtype": "<f8", "shape": [1]},
        {"packed": encode(np.ones(2000))["packed"], "dtype": "O", "shape": [1]},
    ],
    ids=str,
)
def test_decode_refuses_damaged_values(value):
    with pytest.raises(ValueError, match="a damaged array or number"):
        decode([value])


# -- results ----------------------------------------------------------------


def test_result_round_trips_through_a_file(tmp_path):
    path = tmp_path / "sample.json"
    vector = np.random.default_rng(0).normal(size=5000).astype("f4")
    Sample(value=np.nan, vector=vector, notes={"a": (1, np.inf)}).save(path)
    for back in (Sample.load(path), Result.load(str(path))):
        assert type(back) is Sample
        assert np.isnan(back.value)
        assert_same_bits(back.vector, vector)
        assert back.notes == {"a": (1, np.inf)}


def test_file_says_what_it_is(tmp_path):
    Sample(value=1.0).save(tmp_path / "sample.json")
    values = json.loads((tmp_path / "sample.json").read_text())
    assert values["kind"] == "Sample"
    assert values["module"] == __name__
    assert values["keras_sharpness"] == __version__


def test_fields_that_the_file_lacks_take_their_default():
    values = Sample(value=1.0, vector=np.ones(2), notes={"a": 1}).to_dict()
    del values["vector"], values["notes"]
    back = Sample.from_dict(values)
    assert back.vector is None
    assert back.notes == {}


def test_fields_that_the_class_lacks_are_left_out():
    values = {**Sample(value=1.0).to_dict(), "added_later": 3}
    assert Sample.from_dict(values).value == 1.0


def test_missing_field_without_default():
    values = Sample(value=1.0).to_dict()
    del values["value"]
    values["keras_sharpness"] = "7.8.9"
    message = f"'value'.* 7.8.9; this is {__version__}. Measure again"
    with pytest.raises(ValueError, match=message):
        Sample.from_dict(values)


@pytest.mark.parametrize("name", ["kind", "module", "keras_sharpness"])
def test_fields_cannot_have_the_names_of_the_header(name):
    with pytest.raises(TypeError, match=f"cannot be named {name}"):
        type("Bad", (Result,), {"__annotations__": {name: str}})


def test_subclass_without_fields_of_its_own():
    kind = type("Twin", (Sample,), {})
    assert isinstance(Result.from_dict(kind(value=1.0).to_dict()), kind)


def test_load_refuses_another_kind(tmp_path):
    path = tmp_path / "sample.json"
    Sample(value=1.0).save(path)
    message = f"(?s){path.name}.*not a known `OtherSample`.*kind='Sample'"
    with pytest.raises(ValueError, match=message):
        OtherSample.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"kind": "Sample"',
        b"[]",
        b"3",
        b"\xff\xfe\x00",
        b'{"a": ' * 100_000,
        b"{}",
        b'{"kind": ["Sample"]}',
        b'{"kind": "NoSuchResult"}',
        b'{"kind": "NoSuchResult", "module": 3}',
        b'{"kind": "NoSuchResult", "module": "keras_sharpness.no.such"}',
        b'{"kind": "Result", "module": "keras_sharpness.results"}',
        b'{"kind": "Sample", "value": {"float": "?"}}',
        b'{"kind": "Sample", "value": ' + b"1" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:40]),
)
def test_load_refuses_what_is_no_result(tmp_path, content):
    path = tmp_path / "sample.json"
    path.write_bytes(content)
    message = f"{path.name} is not a saved result.*Measure again"
    with pytest.raises(ValueError, match=message):
        Result.load(path)


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Result.load(tmp_path / "none.json")


def run_python(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        **options,
    ).stdout


def test_module_of_the_class_is_imported_when_needed(tmp_path):
    """In a fresh process that knows no kind of result yet."""
    from keras_sharpness.training import TrainingHistory

    history = TrainingHistory.from_rows(
        [{"loss": 0.5, "learning_rate": 0.1, "seconds": 1.0}],
        batch_size=2,
        seed=0,
        optimizer={},
        loss_name="mse",
        num_samples=4,
        num_updates=2,
        stop_reason="epochs",
        total_seconds=1.0,
    )
    history.save(tmp_path / "history.json")
    printed = run_python(
        "import sys\n"
        "from keras_sharpness.results import Result\n"
        "assert 'keras_sharpness.training' not in sys.modules\n"
        "result = Result.load(sys.argv[1])\n"
        "print(type(result).__name__, result.loss)",
        tmp_path / "history.json",
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert printed == "TrainingHistory [0.5]\n"


@pytest.mark.parametrize(
    "module",
    [
        "intruder",
        "keras_sharpness_intruder",
        "keras_sharpness.__main__",
        "keras_sharpness.results.__main__",
        ".intruder",
        "keras_sharpness..intruder",
        "keras_sharpness.a/../../intruder",
    ],
)
def test_no_foreign_module_is_imported(tmp_path, monkeypatch, module):
    """The modules are there to be imported, and would leave a trace."""
    trace = tmp_path / "trace"
    for name in ("intruder", "keras_sharpness_intruder", "__main__"):
        code = f"import pathlib; pathlib.Path({str(trace)!r}).touch()"
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        keras_sharpness, "__path__", [*keras_sharpness.__path__, str(tmp_path)]
    )
    before = set(sys.modules)
    with pytest.raises(ValueError, match="not a known `Result`"):
        Result.from_dict({"kind": "NoSuchResult", "module": module})
    assert not trace.exists()
    assert set(sys.modules) == before


# -- files ------------------------------------------------------------------


def test_result_that_cannot_be_encoded_keeps_the_old_file(tmp_path):
    path = tmp_path / "sample.json"
    Sample(value=1.0).save(path)
    with pytest.raises(TypeError):
        Sample(value=object()).save(path)
    assert Sample.load(path).value == 1.0
    assert list(tmp_path.iterdir()) == [path]
