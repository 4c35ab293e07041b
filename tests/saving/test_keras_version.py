import keras
import pytest

from keras_sharpness.saving import keras_version_problem


@pytest.mark.parametrize("version", ["3.12.3", "3.12.4", "3.15.1", "3.16.0rc1"])
def test_safe_versions(version):
    assert keras_version_problem(version) is None


@pytest.mark.parametrize(
    "version", ["2.15.0", "3.0", "3.12.2", "3.13.2", "3.14.1", "3.15.0"]
)
def test_versions_that_lack_guards(version):
    assert keras_version_problem(version) == (
        f"Uploads are off: Keras {version} lacks file-safety fixes. Install "
        "`keras>=3.15.1`."
    )


def test_the_installed_version():
    assert keras_version_problem() == keras_version_problem(keras.__version__)
