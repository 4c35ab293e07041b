"""What tests of files have in common."""

import pytest

from tests.saving.files import small_model


@pytest.fixture(scope="package")
def small(tmp_path_factory):
    """Path of a small model, not to be changed."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    small_model().save(path)
    return path
