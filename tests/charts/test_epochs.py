"""Quantities over the epochs."""

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.charts import epochs_chart, to_svg


@pytest.mark.parametrize(("values", "log"), [([1, 5], True), ([-1, 5], False)])
def test_epochs(values, log):
    rows = pd.DataFrame(
        {"run": "r", "group": "g", "epoch": [1, 2], "value": values}
    )
    chart = epochs_chart(rows, quantity="epsilon_sharpness", groups=["g"])
    assert ("log scale" in to_svg(chart)) == log
    with pytest.raises(ValueError, match="finite"):
        epochs_chart(rows.assign(value=np.nan), quantity="trace", groups=["g"])
