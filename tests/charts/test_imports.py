"""Charts are drawn from results, so they need no TensorFlow."""

import subprocess
import sys

CODE = """
import sys
import keras_sharpness.charts
heavy = {"tensorflow", "keras", "streamlit", "matplotlib"} & set(sys.modules)
own = [name for name in sys.modules if name.startswith("keras_sharpness.")]
above = {"landscape", "metrics", "training", "studies", "callbacks"}
print(sorted(heavy), sorted(above & {name.split(".")[1] for name in own}))
"""


def test_charts_import_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[0] == "[] []"
