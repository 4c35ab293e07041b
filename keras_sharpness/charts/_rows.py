"""Tables as they stand inside a chart's specification."""

from collections.abc import Collection

import altair as alt
import pandas as pd

from keras_sharpness import arguments


def inline_data(frame: pd.DataFrame) -> alt.InlineData:
    """The rows of `frame`, in JSON's types, as data of a chart.

    Data frames would pass through Altair's global transformers, which refuse
    more than 5000 rows, and which other threads may exchange meanwhile.
    """
    plain = alt.utils.sanitize_pandas_dataframe(frame)
    return alt.InlineData(values=plain.to_dict(orient="records"))


def require_columns(
    frame: pd.DataFrame, columns: Collection[str], *, name: str = "frame"
) -> None:
    """Raises a ValueError unless `frame` has rows and these columns."""
    arguments.instance(name, frame, pd.DataFrame, "a DataFrame")
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ValueError(
            f"`{name}` has no column {missing[0]!r}. Received the columns: "
            f"{', '.join(map(repr, frame.columns)) or 'none'}. Add it, with "
            "one value per row."
        )
    if frame.empty:
        raise ValueError(
            f"`{name}` has no rows, so there is nothing to draw. Pass one row "
            "per run."
        )
