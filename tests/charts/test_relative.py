"""Minima as multiples of a reference."""

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.charts import relative_chart
from tests.charts import results


def points(chart):
    return results.rows(chart, results.marks(chart, "point")[0])


@pytest.fixture
def rows():
    return pd.DataFrame(
        {
            "minimum": ["a", "a", "b", "b"],
            "group": ["a", "a", "b", "b"],
            "quantity": ["trace", "λ₁", "trace", "λ₁"],
            "value": [2.0, 1.0, 4.0, np.nan],
            "ratio": [1.0, 1.0, 2.0, np.nan],
        }
    )


def test_relative_draws_what_is_known(rows):
    chart = relative_chart(rows, reference="a", groups=["a", "b"]).to_dict()
    drawn = {(p["minimum"], p["quantity"]): p["ratio"] for p in points(chart)}
    assert drawn == {("a", "trace"): 1, ("a", "λ₁"): 1, ("b", "trace"): 2}
    assert all(p["shown"] for p in points(chart))
    assert "b, trace: 2" in chart["description"]


def test_relative_fades_what_is_not_chosen(rows):
    chart = relative_chart(
        rows, reference="a", groups=["a", "b"], highlighted=["b"]
    ).to_dict()
    assert {p["minimum"]: p["shown"] for p in points(chart)} == {
        "a": False,
        "b": True,
    }


def test_relative_of_nothing_is_refused(rows):
    with pytest.raises(ValueError, match="what is missing"):
        relative_chart(rows.assign(ratio=np.nan), reference="a", groups=[])
    with pytest.raises(ValueError, match="nothing to draw"):
        relative_chart(rows.iloc[:0], reference="a", groups=[])
