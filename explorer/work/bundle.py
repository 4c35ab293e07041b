"""A figure with all that made it, as one archive."""

import io
import json
import zipfile

import altair as alt
import pandas as pd

from keras_sharpness.charts import to_csv, to_png, to_svg
from keras_sharpness.runs.versions import installed_versions
from work.recipe import Recipe


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
