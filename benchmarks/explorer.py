"""How fast the explorer's first page is there, and how much memory it takes.

    python benchmarks/explorer.py

The reference is an empty Streamlit page in the same browser, on a server that
was started for it alone; both take turns. "Shown" is when the heading and the
figure are there. A cached view is one that was computed before: the time from
the click to the new figure. The memory is that of a process that opens ten
models of 15 million weights after each other and evaluates each.
"""

import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import _timing
import psutil
from playwright.sync_api import expect, sync_playwright

EXPLORER = _timing.ROOT / "explorer"
sys.path.insert(0, str(EXPLORER))

from serve import served  # noqa: E402

REPEATS = 5
NUM_MODELS, UNITS = 10, 3500
EMPTY = 'import streamlit as st\nst.title("Empty")\n'


def main():
    """Measures pages and memory, and writes what was found."""
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        rows = [*pages(folder), memory(folder)]
    finally:
        shutil.rmtree(folder)
    _timing.write("explorer", rows)


def pages(folder):
    """First pages on fresh servers, and redraws of cached views."""
    empty = folder / "empty.py"
    empty.write_text(EMPTY)
    seconds = {"empty page": [], "demo": [], "tab": [], "setting": []}
    with sync_playwright() as drivers:
        browser = drivers.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page()
        for _ in range(REPEATS):
            with served(folder, app=empty) as (address, _):
                start = time.perf_counter()
                page.goto(address)
                heading(page, "Empty")
                seconds["empty page"].append(time.perf_counter() - start)
            with served(folder, "--runs", str(folder)) as (address, _):
                start = time.perf_counter()
                page.goto(address)
                heading(page, "A small against a large batch")
                figure(page, "How much sharper")
                seconds["demo"].append(time.perf_counter() - start)
                click(page, "Between", "Loss and accuracy from")
                click(page, "Spectrum", "Spectral density")
                seconds["tab"].append(
                    click(page, "Between", "Loss and accuracy from")
                )
                start = time.perf_counter()
                page.get_by_text("Logarithmic loss").click()
                figure(page, "(log scale)")
                seconds["setting"].append(time.perf_counter() - start)
        browser.close()
    middle = {name: statistics.median(s) for name, s in seconds.items()}
    return [
        {
            "what": "first page with the demo, fresh server",
            "empty Streamlit page (s)": middle["empty page"],
            "first page (s)": middle["demo"],
            "difference (s)": middle["demo"] - middle["empty page"],
        },
        {"what": "cached view, another tab", "redraw (s)": middle["tab"]},
        {"what": "cached view, a setting", "redraw (s)": middle["setting"]},
    ]


def heading(page, text):
    """Waits until the heading of the page is there."""
    expect(page.get_by_role("heading", level=1)).to_have_text(
        text, timeout=60_000
    )


def figure(page, text):
    """Waits until a figure that holds the text is there."""
    # For a moment the figure of the other tab is there, too.
    chart = page.get_by_test_id("stVegaLiteChart").filter(has_text=text)
    chart.wait_for(timeout=60_000)


def click(page, tab, text):
    """Opens a tab: the seconds until its figure is there."""
    start = time.perf_counter()
    page.get_by_role("tab", name=tab).click()
    figure(page, text)
    return time.perf_counter() - start


def memory(folder):
    """Resident bytes while large models come and go."""
    import keras
    from work.data import DataChoice
    from work.loaded import LOADED
    from work.measure import Measure
    from work.session import Session

    process = psutil.Process()
    sizes = []
    session = Session()
    try:
        for number in range(NUM_MODELS):
            layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
            layers += [keras.layers.Dense(UNITS, "relu") for _ in range(2)]
            model = keras.Sequential([*layers, keras.layers.Dense(10)])
            num_weights = model.count_params()
            path = folder / f"{number}.keras"
            model.save(path)
            del model, layers
            minimum = session.add_model(path.name, path.read_bytes())
            request = Measure(
                minima=(minimum,),
                data=DataChoice(num_samples=256),
                quantity="evaluation",
            )
            job = session.start([request])
            job.wait()
            if job.state != "done":
                raise RuntimeError(job.message)
            session.remove(minimum.name)
            path.unlink()
            sizes.append(process.memory_info().rss / 1e6)
        kept = len(LOADED._models)
    finally:
        session.close()
    return {
        "what": f"{NUM_MODELS} models of {num_weights:,} weights in a row",
        "after the first (MB)": sizes[0],
        "after the third (MB)": sizes[2],
        "after the last (MB)": sizes[-1],
        "models kept": kept,
    }


if __name__ == "__main__":
    main()
