"""The recipes of figures that show what a study has on the disk."""

from collections.abc import Mapping, Sequence
from typing import Any

from study import Study

from keras_sharpness.landscape import Interpolation
from keras_sharpness.results import encode
from keras_sharpness.runs.recorded_folder import RecordedFolder
from keras_sharpness.studies.pairs import pair_name
from keras_sharpness.training import TrainingHistory
from work.minimum import Minimum
from work.recipe import Recipe
from work.request import arguments

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
