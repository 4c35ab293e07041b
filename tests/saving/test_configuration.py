"""Configurations and metadata as plain values."""

import pytest

from keras_sharpness.saving import (
    ModelFileError,
    inspect_model,
)
from keras_sharpness.saving.configuration import nodes, top_layers
from tests.saving.files import (
    CONFIG,
    METADATA,
    members,
    write_archive,
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "config.json: Expecting value"),
        (b"{", "config.json: Expecting property name"),
        (b"\xff\xff", "config.json: 'utf-8' codec"),
        (b"[]", "config.json is not a description"),
        (b"{}", "config.json is not a description"),
    ],
    ids=["empty", "open", "bytes", "list", "object"],
)
def test_configuration_that_is_none(small, tmp_path, content, reason):
    contents = {**members(small), CONFIG: content}
    path = write_archive(tmp_path / "a.keras", contents)
    with pytest.raises(ModelFileError, match=reason):
        inspect_model(path)


def test_metadata_without_dates(small, tmp_path):
    contents = {**members(small), METADATA: b"{}"}
    file = inspect_model(write_archive(tmp_path / "a.keras", contents))
    assert file.keras_version == file.date_saved == "unknown"


def test_top_layers_have_names():
    """Their own, that of their settings, or that of their class."""
    dense = {"class_name": "Dense", "config": {"name": "inner", "units": 2}}
    inside = {"class_name": "ReLU", "config": {}}
    wrapped = {
        "class_name": "Bidirectional",
        "name": "outer",
        "config": {"layer": inside},
    }
    config = {"config": {"layers": [dense, wrapped, inside, 3, {}]}}
    found = top_layers(config)
    assert [node["name"] for node in found] == ["inner", "outer", "ReLU"]
    assert found[0]["config"] is dense["config"]
    for none in ({}, {"config": None}, {"config": {"layers": {}}}):
        assert top_layers(none) == []
    # Those at all depths, in the order of the file.
    every = [n["class_name"] for n in nodes(config) if "class_name" in n]
    assert every == ["Dense", "Bidirectional", "ReLU", "ReLU"]
