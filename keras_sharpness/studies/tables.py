"""Tables of texts for papers and pages."""

import pandas as pd

# Columns of every study's rows: what tables call them, factor and format.
RESULTS = (
    ("updates", "updates", 1.0, "{:.0f}"),
    ("epochs", "epochs", 1.0, "{:.0f}"),
    ("train_loss", "train loss", 1.0, "{:.3g}"),
    ("test_loss", "test loss", 1.0, "{:.3g}"),
    ("train_accuracy", "train accuracy (%)", 100.0, "{:.2f}"),
    ("test_accuracy", "test accuracy (%)", 100.0, "{:.2f}"),
)
_LATEX = {
    "\\": r"\textbackslash{}",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "±": r"$\pm$",
    "φ": r"$\varphi$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "≤": r"$\le$",
    "–": "--",
    "−": "$-$",
    "‖": r"$\Vert$",
    "₀": "$_0$",
}


def markdown_table(table: pd.DataFrame) -> str:
    """A table of texts in GitHub's Markdown.

    Args:
        table: DataFrame of texts; the index is the first column.

    Returns:
        Str.
    """
    columns = [table.index.name or "", *map(str, table.columns)]
    rows = [[str(index), *map(str, row)] for index, row in _rows(table)]
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    cells = ([text.replace("|", "\\|") for text in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def latex_table(table: pd.DataFrame) -> str:
    """A table of texts in LaTeX, with the rules of booktabs.

    Args:
        table: DataFrame of texts; the index is the first column.

    Returns:
        Str, a `tabular`.
    """
    columns = [table.index.name or "", *map(str, table.columns)]

    def line(cells: list[str]) -> str:
        return f"{' & '.join(map(_latex, cells))} \\\\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            line(columns),
            r"\midrule",
            *(line([str(i), *map(str, row)]) for i, row in _rows(table)),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _rows(table: pd.DataFrame) -> list[tuple]:
    return list(zip(table.index, table.to_numpy().tolist(), strict=True))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def spread(values: pd.Series, template: str) -> str:
    """Mean ± standard deviation over the seeds.

    Args:
        values: Series of numbers.
        template: Str. The format of a number, e.g. `"{:.3g}"`.

    Returns:
        Str; the number alone where there is one, `"–"` where there is none.
    """
    values = values.astype(float).dropna()
    if values.empty:
        return "–"
    mean = template.format(values.mean())
    if len(values) == 1:
        return mean
    return f"{mean} ± {template.format(values.std(ddof=1))}"


def axis_title(label: str) -> str:
    """A row's name as the title of an axis.

    Args:
        label: Str, e.g. `"eigenvalue 1"` or `"φ, ε = 0.001 (%)"`.

    Returns:
        Str with a capital; a symbol stays, for Φ is another one than φ.
    """
    return label[:1].upper() + label[1:] if label[:1].isascii() else label
