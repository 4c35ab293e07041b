"""Takes the pictures of the explorer that the documentation shows.

`python explorer/screenshots.py` starts the app on the demo, opens every page
in a browser, light and dark, and writes `docs/explorer/*.png`. Look at them.
"""

import pathlib
import re
import shutil
import tempfile

from playwright.sync_api import Page, sync_playwright
from serve import SECONDS, served

FOLDER = pathlib.Path(__file__).parents[1] / "docs" / "explorer"
SIZE = {"width": 1280, "height": 1120}
# Address, theme, and what to do before the picture is taken.
PICTURES = {
    "compare": ("view=Compare", "light"),
    "compare_dark": ("view=Compare", "dark"),
    "between": ("view=Between", "light"),
    "between_dark": ("view=Between", "dark"),
    "surface": ("view=Around", "light"),
    "surface_dark": ("view=Around&around=large+batch+400", "dark"),
    "trajectory": ("view=Around&plane=trajectory", "light"),
    "directions": ("view=Around&what=directions", "light"),
    "spectrum": ("view=Spectrum", "light"),
    "training": ("view=Training", "light"),
    "study": ("view=Study", "light"),
    "about": ("view=About", "light"),
}


def main() -> None:
    """Takes all pictures, and that of a surface that is computed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(pathlib.Path(folder), "--runs", folder) as (address, _),
        sync_playwright() as drivers,
    ):
        browser = drivers.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for name, (query, theme) in PICTURES.items():
            context = browser.new_context(
                viewport=SIZE, color_scheme=theme, device_scale_factor=1.5
            )
            page = context.new_page()
            page.goto(f"{address}?study=demo+pair&{query}")
            settle(page, has_chart=name != "about")
            picture(page, name)
            context.close()
        page = browser.new_page(viewport=SIZE, device_scale_factor=1.5)
        page.goto(f"{address}?study=demo+pair&view=Around&side=33&seed=1")
        page.get_by_role("button", name="Compute").click()
        page.get_by_text(re.compile(r"\d s left")).wait_for(
            timeout=1000 * SECONDS
        )
        settle(page, has_chart=True)
        picture(page, "computing")
        browser.close()
    shutil.copy(FOLDER / "between.png", FOLDER.with_suffix(".png"))


def settle(page: Page, *, has_chart: bool) -> None:
    """Waits until the page is drawn."""
    page.get_by_role("heading", level=1).wait_for(timeout=1000 * SECONDS)
    if has_chart:
        chart = page.get_by_test_id("stVegaLiteChart")
        chart.locator("svg, canvas").first.wait_for(timeout=1000 * SECONDS)
    # Fonts and the fading in of what was drawn last.
    page.wait_for_timeout(1000)


def picture(page: Page, name: str) -> None:
    """Writes what the browser shows."""
    page.screenshot(path=FOLDER / f"{name}.png")
    print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
