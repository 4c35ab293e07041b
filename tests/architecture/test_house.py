"""The house of the package: a light door, and what is declared."""

import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "keras_sharpness"


@pytest.mark.parametrize("folder", ["metrics", "training"])
def test_only_backends_differentiate(folder):
    found = [
        str(path.relative_to(PACKAGE))
        for path in (PACKAGE / folder).rglob("*.py")
        if "GradientTape" in path.read_text() and "backend" not in path.parts
    ]
    assert not found


def test_the_front_door_is_light():
    """Neither TensorFlow nor any drawing library comes with the import."""
    code = (
        "import sys, keras_sharpness\n"
        "heavy = {'tensorflow', 'keras', 'streamlit', 'altair', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_measuring_needs_no_drawing_library():
    code = (
        "import sys, keras_sharpness as ks\n"
        "ks.Objective, ks.train, ks.interpolate, ks.epsilon_sharpness\n"
        "heavy = {'streamlit', 'altair', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import keras_sharpness as ks

    for name in ks.__all__:
        assert getattr(ks, name) is not None


def test_requirements_are_the_declared_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        *project["dependencies"],
        *project["optional-dependencies"]["explorer"],
    }
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    assert listed == declared
