"""Networks by name."""

import pytest

from keras_sharpness import models


def test_every_name_gives_its_class():
    assert models.NAMES == ("F1", "F2", "C1", "C2", "C3", "C4")
    for name in models.NAMES:
        assert models.get(name).__name__ == name
        assert models.get(name.lower()) is getattr(models, name)


def test_unknown_name_lists_the_right_ones():
    with pytest.raises(ValueError, match=r"F1, F2, C1, C2, C3, C4.*'C5'"):
        models.get("C5")


def test_near_miss_is_guessed():
    with pytest.raises(ValueError, match="Did you mean 'F1'"):
        models.get("f11")


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="Received: name=1"):
        models.get(1)
