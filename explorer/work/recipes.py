"""What made a figure: to run again, and to keep beside it."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
from study import Study

from keras_sharpness.charts import to_csv, to_png, to_svg
from keras_sharpness.landscape import Interpolation
from keras_sharpness.results import encode
from keras_sharpness.runs.recorded_folder import RecordedFolder
from keras_sharpness.runs.versions import installed_versions
from keras_sharpness.studies.pairs import pair_name
from keras_sharpness.training import TrainingHistory
from work.minimum import Minimum
from work.request import Request, arguments, script

_IMPORT = "import keras_sharpness as ks\n"
_LOGGED = """
groups = {groups!r}
rows = pd.concat(
    [
        pd.DataFrame(
            {{
                "run": name,
                "group": groups[name],
                "epoch": history.epoch,
                "value": history.logged[{quantity!r}],
            }}
        )
        for name, history in histories.items()
        if {quantity!r} in history.logged
    ],
    ignore_index=True,
)
chart = ks.charts.epochs_chart(
    rows, quantity={quantity!r}, groups=list(dict.fromkeys(rows["group"]))
)
"""
_SHARPNESS = """
file = {file!r}
comparison = ks.studies.Comparison.load(file)
chart = ks.charts.sharpness_chart(comparison.sharpness_frame())
"""
_EIGENVALUES = """
folder = ks.runs.StudyFolder.open({folder!r})
runs = {{run.name: run for run in folder.runs()}}
tables = []
for name in {names!r}:
    run = runs[name]
    found = run.read("hessian_eigenvalues")
    tables.append(
        pd.DataFrame(
            {{
                "seed": run.settings["seed"],
                "batch": run.settings["batch"],
                "batch_size": run.settings["batch_size"],
                "eigenvalue": found.eigenvalues,
                "residual": found.residuals,
                "converged": found.converged,
            }}
        )
    )
chart = ks.charts.eigenvalue_chart(pd.concat(tables, ignore_index=True))
"""
_LINES = """
folder = ks.runs.StudyFolder.open({folder!r})
lines = {{
    f"seed {{seed}}": folder.read(f"{name}{{seed}}") for seed in {seeds!r}
}}
chart = ks.charts.interpolation_chart(
    lines{options}
)
"""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What made a figure.

    Attributes:
        code: Str. A Python script whose `chart` is the figure.
        settings: List of dicts in JSON's types, one for each computation.
        results: List of what was drawn, with `to_dict`; None for what is
            missing.
    """

    code: str
    settings: list[dict[str, Any]]
    results: list[Any]


def computed(
    requests: Sequence[Request],
    results: Sequence[Any],
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of what was computed here, or could have been.

    Args:
        requests: Sequence of `Request` of one kind.
        results: Sequence of their results, whole or in part.
        options: Mapping of what the reader chose for the chart.

    Returns:
        A `Recipe`.
    """
    return Recipe(
        script(requests, options),
        [described(request) for request in requests],
        list(results),
    )


def described(request: Request) -> dict[str, Any]:
    """A computation in JSON's types: models by the hash of their files."""
    return {
        "computation": request.kind,
        "models": [
            {"name": minimum.name, "sha256": minimum.sha256}
            for minimum in request.minima
        ],
        "data": {
            "name": request.data.name,
            "sha256": request.data.sha256 or None,
            "num_samples": request.data.num_samples,
            "loss": request.data.loss,
            "batch_norm": request.data.batch_norm,
        },
        "settings": request.settings(),
    }


def training_recipe(
    minima: Sequence[Minimum], histories: Mapping[str, TrainingHistory]
) -> Recipe:
    """How the chart of the trainings is made."""
    code = f"{_IMPORT}\n{_histories_code(minima, histories)}"
    code += "chart = ks.charts.training_chart(histories)\n"
    return Recipe(code, _trainings(minima, histories), [*histories.values()])


def logged_recipe(
    minima: Sequence[Minimum],
    histories: Mapping[str, TrainingHistory],
    *,
    quantity: str,
    groups: Mapping[str, str],
) -> Recipe:
    """How the chart of what callbacks measured is made."""
    code = f"import pandas as pd\n\n{_IMPORT}\n"
    code += _histories_code(minima, histories)
    code += _LOGGED.format(
        groups={name: groups[name] for name in histories}, quantity=quantity
    ).lstrip()
    settings = _trainings(minima, histories)
    for values in settings:
        values["quantity"] = quantity
    return Recipe(code, settings, [*histories.values()])


def sharpness_recipe(study: Study) -> Recipe:
    """How the scatter of a study is made."""
    file = str(study.file.resolve())
    code = f"{_IMPORT}{_SHARPNESS.format(file=file)}"
    return Recipe(code, [_of_study(study)], [study.comparison])


def eigenvalues_recipe(study: Study) -> Recipe:
    """How the chart of a study's eigenvalues is made."""
    runs = study.runs()
    code = f"import pandas as pd\n\n{_IMPORT}" + _EIGENVALUES.format(
        folder=str(study.folder.path.resolve()),
        names=[run.name for run in runs],
    )
    settings = [_of_study(study)]
    settings += [_recorded("run", run) for run in runs]
    return Recipe(code, settings, [study.comparison])


def lines_recipe(
    study: Study,
    path: str,
    lines: Mapping[int, Interpolation],
    options: Mapping[str, Any],
) -> Recipe:
    """How the chart of a study's interpolations is made."""
    names = study.batch_names
    ends = {"start_name": names["small"], "end_name": names["large"]}
    code = _IMPORT + _LINES.format(
        folder=str(study.folder.path.resolve()),
        name=pair_name(path, ""),
        seeds=list(lines),
        options=arguments({**ends, **options}),
    )
    settings = _of_study(study)
    settings |= {"path": path, "pairs_of_seeds": list(lines)}
    return Recipe(code, [settings], [*lines.values()])


def _of_study(study: Study) -> dict[str, Any]:
    """As `_recorded`, with the settings of its outcome, seeds included."""
    return {
        **_recorded("study", study.folder),
        "settings": encode(study.settings),
    }


def _recorded(kind: str, folder: RecordedFolder) -> dict[str, Any]:
    """What a folder tells of itself, in JSON's types."""
    return {
        "computation": kind,
        "name": folder.name,
        "settings": folder.settings,
        "created": folder.created,
        "versions": folder.versions,
    }


def _histories_code(
    minima: Sequence[Minimum], histories: Mapping[str, TrainingHistory]
) -> str:
    folders = [
        f"    {minimum.name!r}: {str(minimum.run.path.resolve())!r},"
        for minimum in minima
        if minimum.name in histories
    ]
    return "\n".join(
        [
            "folders = {",
            *folders,
            "}",
            "histories = {",
            "    name: ks.runs.RunFolder.open(folder).history()",
            "    for name, folder in folders.items()",
            "}",
            "",
        ]
    )


def _trainings(
    minima: Sequence[Minimum], histories: Mapping[str, TrainingHistory]
) -> list[dict[str, Any]]:
    return [
        _recorded("training", minimum.run)
        for minimum in minima
        if minimum.name in histories
    ]


def zip_bytes(
    chart: alt.TopLevelMixin,
    rows: pd.DataFrame,
    recipe: Recipe,
    address: dict[str, str],
) -> bytes:
    """The figure, its data, its settings, seeds and versions, its Python.

    Args:
        chart: Altair chart.
        rows: DataFrame it was drawn from.
        recipe: `Recipe`, what it was made of.
        address: Dict of the query of the page's address.

    Returns:
        Bytes of a zip archive.
    """
    files: dict[str, str | bytes] = {
        "figure.svg": to_svg(chart),
        "figure.png": to_png(chart),
        "data.csv": to_csv(rows),
        "settings.json": json.dumps(
            {
                "computations": recipe.settings,
                "address": address,
                "versions": installed_versions(),
            },
            indent=1,
        ),
    }
    files["figure.py"] = recipe.code
    for number, result in enumerate(recipe.results, 1):
        if result is not None:
            files[f"result_{number}.json"] = json.dumps(result.to_dict())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
