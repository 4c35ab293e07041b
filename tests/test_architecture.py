"""The house of the package: what may import what."""

import ast
import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_sharpness"
FILES = sorted(PACKAGE.rglob("*.py"))

# A module may import from its own storey and from those above it in this list.
STOREYS = [
    ("interrupts", "arguments", "reasons"),
    ("files",),
    ("results", "result_types", "version", "progress"),
    ("data", "models", "training"),
    ("metrics",),
    ("saving", "runs"),
    ("charts", "landscape"),
    ("callbacks", "studies"),
    ("cli", "__main__"),
]
# Inside metrics/, from the ground up.
METRICS = [
    ("weights", "class_weights", "chunks", "callers_code", "process_bound"),
    (
        *("replaced_functions", "normalization", "model_structure", "batches"),
        *("loss", "output_matrices", "curvature", "backend"),
    ),
    ("objective",),
    ("operators", "products", "box", "other_data", "fingerprint"),
    ("resampling", "checks", "maximizers", "stored_products"),
    ("numerics",),
    ("hard_samples", "density_estimate"),
    ("density_draft",),
    ("eigenvalues", "trace", "diagonal", "frobenius_norm", "density"),
    ("epsilon_sharpness", "check", "sampling_error"),
]


def storey(name, storeys):
    for level, names in enumerate(storeys):
        if name in names:
            return level
    pytest.fail(f"{name} has no storey: say in this test where it stands")


def imported(path):
    """Full names of all modules of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (n for n in names if n.startswith("keras_sharpness."))


def under_type_checking(path):
    """Names imported for type hints only: they are arrows of no weight."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(
            node.test
        ):
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom):
                    names |= {f"{inner.module}.{a.name}" for a in inner.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.name))
def test_imports_point_downward(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        return
    here = storey(parts[0], STOREYS)
    for name in set(imported(path)) - under_type_checking(path):
        target = name.split(".")[1:]
        if target[0] == "__version__":
            continue
        there = storey(target[0], STOREYS)
        assert there <= here, f"{path.name} imports {name}, which is above it"
        if parts[0] == target[0] == "metrics" and parts[1] != "__init__":
            below = storey(target[1], METRICS)
            assert below <= storey(parts[1], METRICS), f"{path.name}: {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.name))
def test_only_derivatives_and_training_differentiate(path):
    inside = path.relative_to(PACKAGE).parts
    allowed = inside[0] == "training" or inside[:2] == ("metrics", "backend")
    assert allowed or "GradientTape" not in path.read_text()


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
