"""The list of names that a framework has to give."""

import pathlib
import re
import subprocess
import sys

from keras_sharpness.metrics import backend
from keras_sharpness.metrics.backend import tensorflow


def test_the_folder_gives_the_names_of_the_list():
    assert backend.__all__ == tensorflow.__all__
    for name in backend.__all__:
        assert getattr(backend, name) is getattr(tensorflow, name)


def test_the_readme_says_what_each_name_means():
    path = pathlib.Path(backend.__file__).with_name("README.md")
    table, *_ = path.read_text().split("# Private names")
    rows = re.findall(r"^\| (`.*`) \| .+ \|$", table, re.M)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(backend.__all__)


def test_another_framework_is_refused_where_it_is_needed():
    # As if Keras computed with it: of those that it can, one is installed.
    code = (
        "import keras, keras_sharpness as ks\n"
        "keras.backend.backend = lambda: 'jax'\n"
        "try:\n"
        "    ks.Objective\n"
        "except RuntimeError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (
        "Objective needs Keras on TensorFlow. Received: backend 'jax'. Set "
        "KERAS_BACKEND=tensorflow."
    )
