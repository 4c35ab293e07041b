"""A figure with all that made it, as one archive."""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from keras_sharpness.charts import to_csv, to_png, to_svg
from keras_sharpness.runs.versions import installed_versions
from work.request import Request, script


def zip_bytes(
    chart: alt.TopLevelMixin,
    rows: pd.DataFrame,
    requests: Sequence[Request],
    results: Sequence[Any],
    address: dict[str, str],
) -> bytes:
    """The figure, its data, its settings, seeds and versions, its Python.

    Args:
        chart: Altair chart.
        rows: DataFrame it was drawn from.
        requests: Sequence of `Request`.
        results: Sequence of their results, whole or in part.
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
                "computations": [described(request) for request in requests],
                "address": address,
                "versions": installed_versions(),
            },
            indent=1,
        ),
    }
    files["figure.py"] = script(requests)
    for number, result in enumerate(results, 1):
        if result is not None:
            files[f"result_{number}.json"] = json.dumps(result.to_dict())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


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
