"""Who may import what: every import of every file, at every depth."""

import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "keras_sharpness"
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "explorer").rglob("*.py")])

# From the ground up. A module imports from its own storey and those below it.
STOREYS = [
    ("interrupts", "arguments", "reasons", "version"),
    ("files", "metrics.backend", "metrics.replaced_functions"),
    ("results", "result_types", "progress"),
    ("data", "models", "targets"),
    ("fingerprint",),
    # Inside metrics, where each folder or module has a storey of its own.
    (
        "metrics.weights",
        "metrics.flat_arrays",
        "metrics.process_bound",
    ),
    ("metrics.batches", "metrics.points", "metrics.numerics"),
    ("metrics.loss",),
    ("metrics.output_matrices", "metrics.model_structure"),
    ("metrics.curvature",),
    ("metrics.curvature_products", "metrics.evaluation"),
    ("metrics.objective",),
    ("metrics",),
    ("training.backend",),
    ("training",),
    ("saving", "runs"),
    ("landscape",),
    ("charts",),
    ("callbacks",),
    ("studies",),
    ("cli", "__main__"),
    ("explorer",),
]
# Where a framework is imported: the seam, and what speaks to it by itself.
FRAMEWORKS = {"jax", "tensorflow", "tensorflow_datasets", "torch"}
AT_THE_SEAM = (
    "metrics/backend/",
    "training/backend/",
    "data/_builders.py",
    "data/load.py",
    "data/mnist_5k/mnist_5k_dataset_builder.py",
    "data/patches/patches_dataset_builder.py",
    "callbacks/_spectrum_writer.py",
)
# All that the seam knows of the package: nothing that knows a model.
BELOW_THE_SEAM = (
    "keras_sharpness.metrics.backend",
    "keras_sharpness.metrics.replaced_functions",
    "keras_sharpness.reasons",
    "keras_sharpness.training.backend",
)


@functools.cache
def tree_of(path):
    """The syntax of a file."""
    return ast.parse(path.read_text())


def name_of(path):
    """The dotted name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """All (line, full name) that a file imports, wherever it does."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = name_of(path).split(".")
                drop = node.level - (path.name == "__init__.py")
                inside = inside[: len(inside) - drop]
                base = ".".join([*inside, *filter(None, [base])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, node.args[0].value


def for_type_hints(path):
    """Lines that stand below `if TYPE_CHECKING`: arrows of no weight."""
    return {
        inner.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.If)
        and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
        if hasattr(inner, "lineno")
    }


def storey(name):
    """The number of a module's storey; the longest name that fits counts."""
    name = name.removeprefix("keras_sharpness.")
    while name:
        for level, names in enumerate(STOREYS):
            if name in names:
                return level
        name = name.rpartition(".")[0]
    raise AssertionError(f"{name} has no storey: say here where it stands")


def is_of_a_framework(path):
    inside = path.relative_to(ROOT).as_posix().removeprefix("keras_sharpness/")
    return inside.startswith(AT_THE_SEAM)


def listed(violations):
    return "\n".join(["", *sorted(violations)])


def test_imports_point_downward():
    found = []
    for path in FILES:
        here = name_of(path)
        if here == "keras_sharpness":
            continue
        hints = for_type_hints(path)
        for line, name in imports_of(path):
            inside = name.startswith(("keras_sharpness.", "explorer."))
            if not inside or line in hints or name.endswith("__version__"):
                continue
            if here == "keras_sharpness.metrics" and "metrics." in name:
                continue
            if storey(name) > storey(here):
                found.append(f"{here}:{line} imports {name}, above it")
    assert not found, listed(found)


def test_charts_see_results_only():
    computes = ("data", "landscape", "metrics", "models", "training")
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in (PACKAGE / "charts").rglob("*.py")
        for line, name in imports_of(path)
        if name.startswith(
            tuple(f"keras_sharpness.{part}" for part in computes)
        )
        and line not in for_type_hints(path)
    ]
    assert not found, listed(found)


def test_no_module_goes_through_the_front_door():
    """Behind it stand all storeys, so that no arrow could be seen."""
    found = [
        f"{name_of(path)}:{line} imports keras_sharpness"
        for path in FILES
        if path.is_relative_to(PACKAGE)
        for line, name in imports_of(path)
        if name == "keras_sharpness"
    ]
    assert not found, listed(found)


def test_frameworks_stay_at_the_seam():
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in FILES
        if not is_of_a_framework(path)
        for line, name in imports_of(path)
        if name.split(".")[0] in FRAMEWORKS
    ]
    assert not found, listed(found)


def test_the_seam_knows_nothing_above_it():
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in FILES
        if "backend" in path.parts
        for line, name in imports_of(path)
        if name.startswith("keras_sharpness.")
        and not name.startswith(BELOW_THE_SEAM)
    ]
    assert not found, listed(found)


def test_a_backend_is_reached_through_its_front_door():
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in FILES
        if "backend" not in path.parts
        for line, name in imports_of(path)
        if ".backend.tensorflow" in name
    ]
    assert not found, listed(found)


def test_no_private_name_of_another_folder_is_imported():
    found = []
    for path in FILES:
        folder = name_of(path.parent / "__init__.py")
        for line, name in imports_of(path):
            if not name.startswith(("keras_sharpness.", "explorer.")):
                continue
            parts = name.split(".")
            for place, part in enumerate(parts):
                owner = ".".join(parts[:place])
                is_private = part.startswith("_") and not part.startswith("__")
                if is_private and not folder.startswith(owner):
                    found.append(f"{name_of(path)}:{line} imports {name}")
    assert not found, listed(found)


# Of Keras and TensorFlow: the table says why each is used.
TABLE = (PACKAGE / "metrics" / "backend" / "README.md").read_text()
PRIVATE_OF_OTHERS = {
    *re.findall(r"^\| `(_\w+)` \|", TABLE, re.MULTILINE),
    # Public, in spite of their names: those of named tuples.
    *("_asdict", "_fields", "_replace"),
}


def test_no_private_attribute_of_another_folder_is_used():
    """What a folder does not define itself, it does not reach for."""
    found = []
    folders = {path.parent for path in FILES}
    for folder in sorted(folders):
        files = [path for path in FILES if path.parent == folder]
        trees = {path: tree_of(path) for path in files}
        own = set()
        for tree in trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    own.add(node.name)
                elif isinstance(node, ast.Name):
                    own.add(node.id)
                elif isinstance(node, ast.Attribute) and (
                    isinstance(node.ctx, ast.Store)
                    and ast.unparse(node.value) in ("self", "cls", "other")
                ):
                    own.add(node.attr)
                elif isinstance(node, ast.AnnAssign):
                    own.add(ast.unparse(node.target))
        for path, tree in trees.items():
            if is_of_a_framework(path):
                continue
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr.startswith("_")
                    and not node.attr.startswith("__")
                    and ast.unparse(node.value) not in ("self", "cls")
                    and node.attr not in own | PRIVATE_OF_OTHERS
                ):
                    found.append(
                        f"{name_of(path)}:{node.lineno} "
                        f"{ast.unparse(node)[:60]}"
                    )
    assert not found, listed(found)
