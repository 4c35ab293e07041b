import importlib.util
import pathlib
import re

import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RENDERED = ROOT / "docs" / "notebooks"


@pytest.fixture(scope="module")
def render():
    path = ROOT / "notebooks" / "render.py"
    spec = importlib.util.spec_from_file_location("render_notebooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_five_are_there():
    assert {path.stem for path in NOTEBOOKS} == {
        "sharp_and_flat_minima",
        "small_against_large_batches",
        "the_line_between_two_minima",
        "the_spectrum_during_training",
        "is_sharpness_the_cause",
    }


def test_runs_from_start_to_end(path, render):
    notebook = render.execute(path)

    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(
        range(1, len(cells) + 1)
    )
    said = [
        output.text
        for cell in cells
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert said == []
    _, figures = render.to_markdown(notebook, path.stem)
    assert len(figures) >= 3
    assert all(image.startswith(b"\x89PNG") for image in figures.values())
    # What was rendered for the reader has the same figures.
    folder = RENDERED / path.stem
    assert {file.name for file in folder.iterdir()} == set(figures)


def test_is_saved_without_outputs(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert cell.metadata == {}


def test_runs_in_any_front_end(path):
    source = "\n".join(
        cell.source for cell in code_cells(nbformat.read(path, as_version=4))
    )
    assert not re.search(r"^\s*[%!?]", source, flags=re.MULTILINE)
    assert "ipywidgets" not in source
    assert "renderers" not in source


def test_opens_with_a_question_and_ends_with_what_to_try(path):
    cells = nbformat.read(path, as_version=4).cells
    assert re.match(r"# .+\n\n\*[^*]+\?[^*]*\*\n", cells[0].source)
    assert cells[-1].source.startswith("## What to try next\n")


def test_is_rendered_as_it_is(path):
    text = (RENDERED / f"{path.stem}.md").read_text(encoding="utf-8")
    place = 0
    for cell in nbformat.read(path, as_version=4).cells:
        source = cell.source.strip()
        if cell.cell_type == "code":
            source = f"```python\n{source}\n```"
        place = text.find(source, place)
        assert place >= 0, f"run notebooks/render.py: {cell.id} has changed"
        place += len(source)


def test_rendered_figures_are_there(path):
    text = (RENDERED / f"{path.stem}.md").read_text(encoding="utf-8")
    figures = re.findall(r"^!\[(.+)\]\((.+\.png)\)$", text, flags=re.MULTILINE)
    assert {RENDERED / file for _, file in figures} == set(
        (RENDERED / path.stem).iterdir()
    )
    # Words for those who cannot see a figure, not only its name.
    assert all(len(alt.split()) >= 5 for alt, _ in figures)
