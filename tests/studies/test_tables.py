"""Tables for papers and pages."""

import pandas as pd

from keras_sharpness.studies.tables import (
    axis_title,
    latex_table,
    markdown_table,
)

TABLE = pd.DataFrame(
    {"batch 16": ["0.30 ± 0.02"], "batch 2000": ["5.1 ± 1"]},
    index=["φ, ε = 0.001 (%)"],
)


def test_markdown():
    assert markdown_table(TABLE) == (
        "|  | batch 16 | batch 2000 |\n"
        "| --- | ---: | ---: |\n"
        "| φ, ε = 0.001 (%) | 0.30 ± 0.02 | 5.1 ± 1 |\n"
    )
    barred = pd.DataFrame({"a": ["1"]}, index=["|w|"])
    assert r"| \|w\| | 1 |" in markdown_table(barred)


def test_latex():
    assert latex_table(TABLE).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & batch 16 & batch 2000 \\",
        r"\midrule",
        r"$\varphi$, $\varepsilon$ = 0.001 (\%) & 0.30 $\pm$ 0.02 & "
        r"5.1 $\pm$ 1 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_symbols_keep_their_case_on_axes():
    assert axis_title("eigenvalue 1") == "Eigenvalue 1"
    assert axis_title("φ, ε = 0.001 (%)") == "φ, ε = 0.001 (%)"
