"""The report: one file that needs nothing else."""

import base64
import html.parser
import json
import os
import re

import numpy as np
import pandas as pd
import pytest

from keras_sharpness.charts import (
    Section,
    interpolation_chart,
    report_html,
    training_chart,
    write_report,
)
from tests.charts.results import history, interpolation

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & 'q'"


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text outside of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.scripts, self._open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif data.strip():
            self.text.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def chart(**names):
    return interpolation_chart(interpolation(), **names)


@pytest.fixture(scope="module")
def full():
    sections = [
        Section(
            heading="Findings",
            paragraphs=["One.", HOSTILE],
            table=pd.DataFrame({HOSTILE: [HOSTILE], "loss": [0.125]}),
            table_caption=HOSTILE,
        ),
        Section(
            heading=HOSTILE,
            chart=chart(start_name=HOSTILE),
            caption=HOSTILE,
            alt_text=HOSTILE,
        ),
        Section(heading="Training", chart=training_chart({"run": history()})),
    ]
    return report_html(
        title=HOSTILE, subtitle=HOSTILE, footer=HOSTILE, sections=sections
    )


@pytest.fixture(scope="module")
def page(full):
    return Page(full)


def test_loads_nothing(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if name in attributes:
                assert attributes[name].startswith("data:"), (tag, attributes)
    assert not page.named("link")
    assert not page.named("iframe")
    style = "".join(page.text)
    assert "url(" not in style
    assert "@import" not in style


def test_forbids_loading(page):
    (policy,) = [
        meta["content"]
        for meta in page.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "http" not in policy


def test_each_chart_once_and_the_libraries_once(page):
    assert len(page.named("figure")) == 2
    specs = [json.loads(text) for text in specifications(page)]
    assert [spec["$schema"].split("/")[-2] for spec in specs] == [
        "vega-lite",
        "vega-lite",
    ]
    # The page has one for each mode.
    assert all("config" not in spec for spec in specs)
    libraries = [text for text in page.scripts if len(text) > 500_000]
    assert len(libraries) == 1
    assert "window.vegaEmbed=" in libraries[0]


def specifications(page):
    return [text for text in page.scripts if text.startswith('{"$schema"')]


def test_texts_are_escaped(full, page):
    # Two data scripts, the libraries, and the one that draws.
    assert len(page.named("script")) == 4
    assert len(page.named("img")) == 2
    assert not any("onerror" in image for image in page.named("img"))
    # Title, heading 1, subtitle, paragraph, header and cell of the table, its
    # caption, heading 2, caption of the chart and footer.
    assert page.text.count(HOSTILE) == 10
    for text in specifications(page):
        assert "<" not in text
    assert json.loads(specifications(page)[0])["description"] == HOSTILE


def test_images_for_paper_and_without_scripts(page):
    for image in page.named("img"):
        kind, content = image["src"].split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(content).startswith(b"<svg")
    hostile, training = (image["alt"] for image in page.named("img"))
    assert hostile == HOSTILE
    assert training.startswith("Line charts. Training")


def test_page_for_screens_large_and_small_light_and_dark(full, page):
    metas = {
        meta.get("name"): meta.get("content") for meta in page.named("meta")
    }
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    for query in ("prefers-color-scheme: dark", "max-width: 600px"):
        assert f"@media ({query})" in full
    assert "@media print" in full
    assert page.named("html") == [{"lang": "en"}]


def test_libraries_only_where_a_chart_needs_them():
    table = pd.DataFrame({"loss": [1.0]})
    text = report_html(title="T", sections=[Section(heading="H", table=table)])
    assert len(text) < 20_000
    assert "<script" not in text
    assert "<footer" not in text


def cells(frame):
    section = Section(heading="H", table=frame)
    text = report_html(title="T", sections=[section])
    return [
        [
            ("number" in attributes, content)
            for attributes, content in re.findall(
                r"<t[dh]( [^>]*)?>(.*?)</t[dh]>", row
            )
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    ]


def test_tables_are_rounded_and_aligned():
    header, first, second = cells(
        pd.DataFrame(
            {
                "network": ["F1", "C1"],
                "samples": [60000, 50000],
                "accuracy": [0.98031234, 0.8],
                "mean": ["98.03 ± 0.07", "80.04 ± 0.12"],
                "converged": [True, False],
            }
        )
    )
    assert header == [
        (False, "network"),
        (True, "samples"),
        (True, "accuracy"),
        (True, "mean"),
        (False, "converged"),
    ]
    assert [text for _, text in first] == [
        "F1",
        "60,000",
        "0.9803",
        "98.03 ± 0.07",
        "yes",
    ]
    assert [text for _, text in second][2] == "0.8000"
    assert [right for right, _ in second] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([205.14, 1.23], ["205.14", "1.23"]),
        ([98.031, 97.8], ["98.03", "97.80"]),
        ([1e-3, 5e-4], ["0.0010", "0.0005"]),
        ([32.0, 400.0], ["32", "400"]),
        ([0.0, -1.5], ["0.0", "−1.5"]),
        ([1.5, np.nan], ["1.5", "–"]),
        ([1.5, np.inf], ["1.5", "∞"]),
        # No number of decimals serves both.
        ([1234.1, 1e-5], ["1,234", "1e−5"]),
        ([2e9, 1.0], ["2e9", "1"]),
    ],
)
def test_decimals_of_a_column(values, texts):
    (_, *rows) = cells(pd.DataFrame({"v": values}))
    found = [row[0][1] for row in rows]
    assert found == texts


def test_index_is_shown_where_it_says_something():
    plain = pd.DataFrame({"v": [1.0, 2.0]})
    assert [text for _, text in cells(plain)[0]] == ["v"]
    named = plain.set_index(pd.Index(["a", "b"], name="run"))
    assert [text for _, text in cells(named)[0]] == ["run", "v"]
    summary = pd.DataFrame({"k": ["a", "a"], "v": [1.0, 2.0]}).groupby("k")
    header, row = cells(summary.agg(["mean", "max"]))
    assert [text for _, text in header] == ["k", "v mean", "v max"]
    assert [text for _, text in row] == ["a", "1.5", "2"]


def test_written_in_one_step(tmp_path):
    path = tmp_path / "report.html"
    sections = [Section(heading="First")]
    write_report(path, title="T", sections=sections)
    first = path.read_text()
    inode = os.stat(path).st_ino
    write_report(path, title="T", sections=[Section(heading="Second")])
    assert "Second" in path.read_text()
    # Another file took the name.
    assert os.stat(path).st_ino != inode
    with pytest.raises(ValueError, match="sections"):
        write_report(path, title="T", sections=[])
    assert path.read_text() != first
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    good = Section(heading="H")
    with pytest.raises(ValueError, match="Section objects"):
        write_report(path, title="T", sections=[good, "not a section"])
    assert path.read_text() == "old"
    with pytest.raises(ValueError, match="Altair chart"):
        Section(heading="H", chart="not a chart")


def test_the_same_report_twice_is_the_same_file():
    sections = [Section(heading="H", chart=chart())]
    once, again = (report_html(title="T", sections=sections) for _ in "ab")
    assert once == again


def test_one_paragraph_needs_no_list():
    text = report_html(
        title="T", sections=[Section(heading="H", paragraphs="Alone.")]
    )
    assert "<p>Alone.</p>" in text


@pytest.mark.parametrize("sections", [[], ["text"]])
def test_refuses(sections):
    with pytest.raises(ValueError, match=r"Section\(heading=") as error:
        report_html(title="T", sections=sections)
    assert "\n" not in str(error.value)
