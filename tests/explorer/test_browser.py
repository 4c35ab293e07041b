"""The explorer in a real browser, as a user starts it."""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pytest

from tests.explorer.conftest import APP

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.app,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
# Patience, not expectation: what takes longer hangs.
SECONDS = 60


@pytest.fixture
def address(runs, tmp_path):
    """The address of a server that shows `runs`."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(APP)]
    command += ["--server.headless", "true", "--server.port", str(port)]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--", "--runs", str(runs)],
            # Far from the repository: settings and modules are found anyway.
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until_up(f"http://localhost:{port}/_stcore/health", server, log)
        yield f"http://localhost:{port}/"
    finally:
        server.terminate()
        server.wait(SECONDS)


def wait_until_up(url, server, log):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"The server did not start:\n{log.read_text()}")


@pytest.fixture
def page():
    """A page of a browser, and in `page.problems` what went wrong in it."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as drivers:
        browser = drivers.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(1000 * SECONDS)
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                page.problems.append(message.text)
                if message.type == "error"
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None
                if re.match(r"(http|ws)://localhost:|data:|blob:", request.url)
                else page.problems.append(f"asks for {request.url}")
            ),
        )
        yield page
        browser.close()


def test_from_the_study_to_a_figure(address, add_study, page):
    from playwright.sync_api import expect

    add_study("one")
    page.goto(address)
    chart = page.get_by_test_id("stVegaLiteChart")
    plot = chart.locator("svg, canvas")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "straight_cut on half_plane"
    )
    expect(plot).to_have_count(2)

    page.get_by_role("tab", name="Between").click()
    expect(plot).to_have_count(1)
    expect(chart).not_to_contain_text("curvilinear path")
    page.get_by_text("curvilinear", exact=True).click()
    expect(chart).to_contain_text("curvilinear path")
    expect(page).to_have_url(re.compile(r"path=curvilinear.*view=Between"))

    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    assert download.value.suggested_filename == "one-curvilinear.svg"
    figure = ET.parse(pathlib.Path(download.value.path())).getroot()
    assert figure.tag == "{http://www.w3.org/2000/svg}svg"
    assert "curvilinear path" in "".join(figure.itertext())

    # The address alone brings the same view back.
    page.goto(page.url)
    expect(chart).to_contain_text("curvilinear path")
    assert page.problems == []
