"""To show what was computed the explorer needs neither TensorFlow nor Keras."""

import subprocess
import sys

import pytest

from tests.explorer.conftest import APP

CODE = """
import sys
from streamlit.testing.v1 import AppTest

app_file, folder = sys.argv[1:]
sys.argv = [app_file, "--runs", folder]
charts = []
for study in ("finished", "demo pair"):
    charts.append(0)
    for view in (
        "Compare", "Between", "Around", "Spectrum", "Training", "Study", "About"
    ):
        app = AppTest.from_file(app_file, default_timeout=60)
        app.query_params["view"] = view
        app.query_params["study"] = study
        app.run()
        assert not app.exception and not app.error, view
        charts[-1] += len(app.get("vega_lite_chart"))
print(*charts, sorted({"tensorflow", "keras"} & set(sys.modules)))
"""


@pytest.mark.app
def test_pages_are_shown_without_keras(finished):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(APP), str(finished)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "5 8 []"
