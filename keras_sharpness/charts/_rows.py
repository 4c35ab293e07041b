"""Rows as a chart holds them, and which colour and shape each kind has."""

import dataclasses
from collections.abc import Collection

import altair as alt
import pandas as pd

from keras_sharpness import arguments

# As many as the theme has colours that can be told apart.
MOST_KINDS = 6
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "stroke"]


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


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The kinds of run in a chart.

    Attributes:
        labels: Series, the kind of each row, e.g. `"small batch 32"`.
        domain: List of str, kinds in the order of the theme's colours: small
            batch, large batch, then all others.
        legend: List of str, kinds from the smallest batch to the largest.
    """

    labels: pd.Series
    domain: list[str]
    legend: list[str]

    def color(self, **options: object) -> alt.Color:
        """The encoding of the colour; the theme has the colours."""
        return alt.Color(
            "kind:N",
            scale=alt.Scale(domain=self.domain),
            legend=alt.Legend(title=None, values=self.legend, **options),
        )

    def shape(self, **options: object) -> alt.Shape:
        """The encoding of the shape, with the legend of the colour."""
        shapes = _SHAPES[: len(self.domain)]
        return alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=self.domain, range=shapes),
            legend=alt.Legend(title=None, values=self.legend, **options),
        )


def batch_kinds(frame: pd.DataFrame, column: str) -> Kinds:
    """The kinds of the rows: words such as "small", or batch sizes.

    Args:
        frame: DataFrame with `column` and, if there are words in it, perhaps
            `batch_size`, which then completes them.
        column: Str. Name of the column.

    Returns:
        The `Kinds`.

    Raises:
        ValueError: If there are more kinds than colours.
    """
    values = frame[column]
    if pd.api.types.is_numeric_dtype(values):
        order = sorted(values.unique())
        # Smallest and largest have the colours of small and large batch.
        colored = [*order[:1], *order[1:][-1:], *order[1:-1]]
        names = {value: f"batch {value:g}" for value in order}
        if len(order) == 2:
            words = ("small", "large")
            names = {
                value: f"{word} batch {value:g}"
                for word, value in zip(words, order, strict=True)
            }
    else:
        order = list(dict.fromkeys(values))
        order.sort(
            key=lambda v: (
                ("small", "large").index(v) if v in ("small", "large") else 2
            )
        )
        colored = order
        if order and order[0] == "large":
            # Its colour is the second one, also when it stands alone.
            colored = ["small", *order]
        names = {value: _name(frame, column, value) for value in order}
        names.setdefault("small", "small batch")
    if len(order) > MOST_KINDS:
        raise ValueError(
            f"{len(order)} kinds of run are more than the {MOST_KINDS} that "
            f"colours tell apart. Received: {column} in {order}. Draw fewer in "
            "one chart."
        )
    return Kinds(
        values.map(names),
        [names[value] for value in colored],
        [names[value] for value in order],
    )


def _name(frame: pd.DataFrame, column: str, value: str) -> str:
    name = f"{value} batch" if value in ("small", "large") else str(value)
    if "batch_size" in frame and column != "batch_size":
        sizes = frame.loc[frame[column] == value, "batch_size"].unique()
        if len(sizes) == 1:
            name += f" {sizes[0]:g}"
    return name
