"""The explorer in a real browser, as a user starts it."""

import contextlib
import io
import json
import pathlib
import re
import shutil
import time
import xml.etree.ElementTree as ET
import zipfile

import pytest

from tests.explorer.conftest import EXPLORER  # noqa: F401  # its modules

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.app,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
# Patience, not expectation: what takes longer hangs.
SECONDS = 60
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(14, 17, 23)"


@pytest.fixture
def address(runs, tmp_path):
    """The address of a server that shows `runs`."""
    from serve import served

    with served(tmp_path, "--runs", str(runs)) as (url, _):
        yield url
    # The server's temporary files lie in the folder that it was started in.
    assert not session_folders(tmp_path)


def session_folders(path):
    return list(path.glob("keras-sharpness-explorer-*"))


@pytest.fixture
def browser():
    """Opens pages; in `problems` is what went wrong in them."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as drivers:
        browser = drivers.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        browser.problems = []

        def open_page(theme="light"):
            context = browser.new_context(
                viewport={"width": 1400, "height": 1000}, color_scheme=theme
            )
            page = context.new_page()
            page.set_default_timeout(1000 * SECONDS)
            watch(page, browser.problems)
            return page

        browser.open_page = open_page
        yield browser
        browser.close()


def watch(page, problems):
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text) if message.type == "error" else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            None
            if re.match(r"(http|ws)://localhost:|data:|blob:", request.url)
            else problems.append(f"asks for {request.url}")
        ),
    )


def settle(page):
    """Waits until the page has been drawn: before, clicks may be lost."""
    from playwright.sync_api import expect

    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning"
    )


def compute(page):
    """Presses "Compute" until the app hears it, as a user would."""
    from playwright.sync_api import expect

    button = page.get_by_role("button", name="Compute")
    stop = page.get_by_role("button", name="Stop")
    heard = stop.or_(page.get_by_test_id("stVegaLiteChart")).first
    button.wait_for()
    settle(page)
    for _ in range(SECONDS // 5):
        if not heard.is_visible():
            button.click()
        with contextlib.suppress(AssertionError):
            expect(heard).to_be_visible(timeout=5000)
            return
    pytest.fail('"Compute" was never heard.')


def downloaded(page, label):
    page.get_by_role("button", name=label).wait_for()
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return pathlib.Path(download.value.path()).read_bytes()


def test_dropped_files_from_start_to_figure(
    address, browser, model_files, tmp_path
):
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * SECONDS)
    page = browser.open_page()
    page.goto(address)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("A small against a large batch")
    chart = page.get_by_test_id("stVegaLiteChart")
    expect(chart.locator("svg, canvas")).to_have_count(1)

    page.get_by_text("Open model files").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(
        [model_files["first"], model_files["second"]]
    )
    expect(heading).to_have_text("Dropped files")

    expect(page.get_by_role("button", name="Measure")).to_be_visible()
    settle(page)
    page.get_by_role("tab", name="Between").click()
    expect(page).to_have_url(re.compile("view=Between"))
    settle(page)
    compute(page)
    expect(chart).to_contain_text("Loss and accuracy from first to second")
    expect(page.get_by_text("Barrier, train loss")).to_be_visible()
    settle(page)
    page.get_by_text("Logarithmic loss").click()
    # The chart before may stay for a moment.
    expect(chart.filter(has_text="(log scale)")).to_have_count(1)
    expect(page).to_have_url(
        re.compile(r"log=true.*study=dropped.files.*view=Between")
    )

    # Another browser sees nothing of these files.
    other = browser.open_page()
    other.goto(page.url)
    expect(other.get_by_text("No model files here")).to_be_visible()

    # When a browser leaves, its files do.
    assert len(list(tmp_path.glob("keras-sharpness-explorer-*/*.keras"))) == 2
    page.close()
    deadline = time.monotonic() + SECONDS
    while list(tmp_path.glob("keras-sharpness-explorer-*/*.keras")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(session_folders(tmp_path)) == 1
    assert browser.problems == []


def numbers(page):
    """The labels and values of the metrics on the page."""
    metrics = page.get_by_test_id("stMetric").all_inner_texts()
    return dict(text.split("\n\n") for text in metrics)


def test_what_the_pointer_shows(address, browser):
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * SECONDS)
    page = browser.open_page()
    page.goto(f"{address}?study=demo+pair")
    chart = page.get_by_test_id("stVegaLiteChart")
    tooltip = page.locator("#vg-tooltip-element")
    large = chart.locator(
        "[aria-roledescription=point][aria-label*='minimum: large batch 400']"
    )
    large.first.hover()
    expect(tooltip).to_contain_text(re.compile(r"minimum\s*large batch 400"))

    # A row that is ticked stands out.
    small = chart.locator(
        "[aria-roledescription=point][aria-label*='minimum: small batch 16']"
    )
    # A click on a table that is still being laid out is lost.
    for _ in range(5):
        settle(page)
        table = page.get_by_test_id("stDataFrame").first.bounding_box()
        # The box in the second row below the header, all 35 pixels high.
        page.mouse.click(table["x"] + 17, table["y"] + 2.5 * 35)
        with contextlib.suppress(AssertionError):
            expect(small.first).to_have_attribute(
                "opacity", "0.2", timeout=5000
            )
            break
    expect(small.first).to_have_attribute("opacity", "0.2")
    expect(large.first).to_have_attribute("opacity", "1")

    page.get_by_role("tab", name="Between").click()
    # For a moment the figure of the other tab is there, too.
    between = chart.filter(has_text="Loss and accuracy from")
    start = between.get_by_text("small batch 16", exact=True)
    start.wait_for()
    settle(page)
    # The name stands beside its rule, at the top of the plot.
    name = start.bounding_box()
    page.mouse.move(name["x"] + name["width"] + 6, name["y"] + 100)
    expect(tooltip).to_contain_text(re.compile(r"where\s*small batch 16"))

    page.get_by_role("tab", name="Around").click()
    cells = chart.locator("path[aria-roledescription='rect mark']")
    expect(cells).to_have_count(25 * 25)
    settle(page)
    cell = cells.nth(140)
    cell.click()
    expect(page.get_by_test_id("stMetric")).to_have_count(4)
    # What is read off the cell, which has six digits.
    words = cell.get_attribute("aria-label").replace("\N{MINUS SIGN}", "-")
    told = dict(part.split(": ") for part in words.split("; "))
    shown = numbers(page)
    assert shown.keys() == {"α", "β", "Loss", "Accuracy"}
    for name, label in (("α", "α"), ("β", "β"), ("loss", "Loss")):
        assert float(told[name]) == float(shown[label]), name
    assert float(told["accuracy (%)"]) == float(shown["Accuracy"][:-2])
    # A quarter of the plot away from the middle: not the minimum itself.
    assert float(shown["Loss"]) > 1
    assert browser.problems == []


def test_a_surface_is_stopped_and_the_address_brings_it_back(address, browser):
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * SECONDS)
    page = browser.open_page()
    page.goto(f"{address}?study=demo+pair&view=Around&side=49&samples=4000")
    compute(page)
    stop = page.get_by_role("button", name="Stop")
    expect(page.get_by_text(re.compile(r"· \d+ of \d+"))).to_be_visible()
    chart = page.get_by_test_id("stVegaLiteChart")
    # The coarse grid is there before the fine one.
    expect(chart.locator("svg, canvas")).to_have_count(1)
    stop.click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()

    page.goto(f"{address}?study=demo+pair&view=Around&side=9&span=0.5")
    compute(page)
    picture = downloaded(page, "SVG")
    figure = ET.fromstring(picture)
    assert figure.tag == "{http://www.w3.org/2000/svg}svg"
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "ZIP"))) as archive:
        again = ET.fromstring(archive.read("figure.svg"))
        assert "".join(again.itertext()) == "".join(figure.itertext())
        settings = json.loads(archive.read("settings.json"))
    assert settings["computations"][0]["settings"]["num_points"] == 9
    assert settings["address"]["span"] == "0.5"

    title = chart.text_content()
    for theme, color in (("light", LIGHT), ("dark", DARK)):
        again = browser.open_page(theme)
        again.goto(page.url)
        shown = again.get_by_test_id("stVegaLiteChart")
        # What was computed once is shown without being computed again.
        expect(shown.locator("svg, canvas")).to_have_count(1)
        assert shown.text_content() == title
        expect(again.get_by_test_id("stApp")).to_have_css(
            "background-color", color
        )
    assert browser.problems == []
