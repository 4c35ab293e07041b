"""Executes the notebooks and writes them with their figures to docs/notebooks.

Usage: `python notebooks/render.py [name ...]`, by default all of them. Each
becomes a Markdown file that GitHub shows, the figures in a folder of its name.
"""

import base64
import os
import pathlib
import re
import shutil
import sys
import tempfile
from unittest import mock

import jinja2
import nbclient
import nbconvert
import nbformat
import vl_convert
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from traitlets.config import Config

FOLDER = pathlib.Path(__file__).resolve().parent
RENDERED = FOLDER.parent / "docs" / "notebooks"
SECONDS_PER_CELL = 600

# What Altair's renderer "json" gives.
_CHART = "application/json"
# Pixels of a figure per pixel of the chart.
_SCALE = 1.5
_STYLE = re.compile(r"<style.*?</style>\s*", re.DOTALL)
_BLANK = re.compile(r"(```python\n.*?\n```)|\n{3,}", re.DOTALL)
# As nbconvert writes Markdown, but with text in fences, and figures with words
# for those who cannot see them.
_TEMPLATE = """
{%- extends 'markdown/index.md.j2' -%}
{%- block input %}
```python
{{ cell.source }}
```
{% endblock input -%}
{%- block stream %}
```text
{{ output.text | trim | strip_ansi }}
```
{% endblock stream -%}
{%- block data_text scoped %}
```text
{{ output.data['text/plain'] | trim }}
```
{% endblock data_text -%}
{%- block data_png %}
![{{ output.metadata.alt }}]({{ output.metadata.file }})
{% endblock data_png -%}
"""


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the interpreter that runs this program."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The kernel, whatever the notebook calls it."""
        lines = (
            # TensorFlow's notices at its start are no part of a notebook.
            "from keras_sharpness.cli.quiet import quiet_start",
            "with quiet_start():\n    import tensorflow",
            # A warning ends the execution, but for those of the kernel itself.
            # Keras reads its TensorFlow variables in a way that NumPy 2
            # deprecates.
            "import warnings",
            "warnings.simplefilter('error')",
            "warnings.filterwarnings('ignore', module='ipykernel|IPython|zmq')",
            "warnings.filterwarnings('ignore', '__array__ implementation', "
            "DeprecationWarning)",
            # Charts as JSON, to be drawn here.
            "import altair",
            "altair.renderers.enable('json')",
            "del quiet_start, tensorflow, warnings, altair",
        )
        return KernelSpec(
            argv=[
                sys.executable,
                "-m",
                "ipykernel_launcher",
                "-f",
                "{connection_file}",
                "--IPKernelApp.log_level=ERROR",
                *(f"--IPKernelApp.exec_lines={line}" for line in lines),
            ],
            display_name=kernel_name,
            language="python",
        )


def find_notebooks() -> list[pathlib.Path]:
    """The notebooks of this folder, in their order."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: pathlib.Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in a fresh kernel.

    It runs in an empty folder, with nobody's settings of IPython. Warnings are
    errors.

    Args:
        path: Path of the notebook, which is not changed.

    Returns:
        The executed notebook; charts are in it as Vega-Lite.

    Raises:
        CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "IPYTHONDIR": str(pathlib.Path(folder) / "ipython"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        work = pathlib.Path(folder) / "work"
        work.mkdir()
        with mock.patch.dict(os.environ, settings):
            client = nbclient.NotebookClient(
                notebook,
                km=AsyncKernelManager(kernel_spec_manager=_ThisPython()),
                timeout=SECONDS_PER_CELL,
                startup_timeout=SECONDS_PER_CELL,
                coalesce_streams=True,
                resources={"metadata": {"path": str(work)}},
            )
            # A manager that was given is not shut down without asking.
            return client.execute(cleanup_kc=True)


def to_markdown(
    notebook: nbformat.NotebookNode, name: str
) -> tuple[str, dict[str, bytes]]:
    """An executed notebook as Markdown, and its figures.

    Args:
        notebook: What `execute` returned; its outputs are changed.
        name: Str. Name of the folder of the figures.

    Returns:
        Str, and a dict from the name of a file to a PNG image.
    """
    figures = {}
    for cell in notebook.cells:
        charts = 0
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if _CHART in data:
                charts += 1
                number = f"-{charts}" if charts > 1 else ""
                file = f"{cell.id}{number}.png"
                figures[file] = vl_convert.vegalite_to_png(
                    data[_CHART], scale=_SCALE
                )
                alt = data[_CHART].get("description", f"Figure: {cell.id}")
                output.metadata.update(
                    file=f"{name}/{file}", alt=" ".join(alt.split())
                )
                output.data = {
                    "image/png": base64.b64encode(figures[file]).decode()
                }
            elif "text/html" in data:
                # GitHub shows the table, but not its style.
                data["text/html"] = _STYLE.sub("", data["text/html"])
    exporter = nbconvert.MarkdownExporter(
        extra_loaders=[jinja2.DictLoader({"rendered.md.j2": _TEMPLATE})],
        template_file="rendered.md.j2",
        config=Config({"ExtractOutputPreprocessor": {"enabled": False}}),
    )
    text, _ = exporter.from_notebook_node(notebook)
    # Blank lines between the cells, but not those within code.
    text = _BLANK.sub(lambda match: match[1] or "\n\n", text)
    return text.strip() + "\n", figures


def main(names: list[str]) -> None:
    """Renders the notebooks named, or all."""
    for path in find_notebooks():
        if names and path.stem not in names:
            continue
        print(f"{path.stem} …", flush=True)
        text, figures = to_markdown(execute(path), path.stem)
        folder = RENDERED / path.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, image in figures.items():
            (folder / file).write_bytes(image)
        (RENDERED / f"{path.stem}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
