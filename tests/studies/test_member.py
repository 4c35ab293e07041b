"""What sets one training of a study apart from the others."""

import json

import pytest

from keras_sharpness.studies import Member
from keras_sharpness.studies.member import checked_seeds, checked_sizes
from keras_sharpness.training import GrowAt


def test_names_of_members_tell_them_apart():
    first = Member(seed=0, batch_size=45, training={"epochs": 2})
    then = Member(
        seed=0, batch_size=90, labels={"epochs_before": 2}, start=first.name
    )
    assert then.name == "seed-0-batch-90-epochs_before-2-from-seed-0-batch-45"
    grown = Member(seed=1, batch_size=GrowAt({2: 90}), labels={"group": "a b"})
    assert grown.name == "seed-1-group-a_b"
    assert grown.label == "seed 1, a b"
    for member in (first, then, grown):
        json.dumps(member.settings())
    assert grown.settings()["batch_size"]["batch_sizes"] == {"0": 64, "2": 90}


def test_seeds_and_sizes():
    assert checked_seeds(3) == [0, 1, 2]
    assert checked_seeds((7, 4)) == [7, 4]
    assert checked_sizes((90, 9), 90) == [9, 90]
    for seeds in (0, (1, 1), (-1,), "one"):
        with pytest.raises(ValueError, match="seeds"):
            checked_seeds(seeds)
    for sizes in ((), (9, 9), (91,), "9"):
        with pytest.raises(ValueError, match="batch_sizes"):
            checked_sizes(sizes, 90)
