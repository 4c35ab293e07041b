"""Results are kept within a limit of bytes."""

import dataclasses

import numpy as np
from work.cache import ResultCache, num_bytes


@dataclasses.dataclass(frozen=True)
class Numbers:
    values: dict


def numbers(count):
    return Numbers({"train": np.zeros(count)})


def test_bytes_are_those_of_the_arrays():
    assert num_bytes(np.zeros(100)) == 800
    # A small constant for the containers.
    assert 800 <= num_bytes(numbers(100)) <= 1000


def test_those_not_used_for_longest_go():
    cache = ResultCache(max_bytes=2500)
    for name in "ab":
        cache.put(name, numbers(100))
    assert cache.get("a") is not None
    cache.put("c", numbers(100))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.num_bytes <= 2500


def test_the_last_one_stays_however_large():
    cache = ResultCache(max_bytes=10)
    cache.put("a", numbers(100))
    assert cache.get("a") is not None
    cache.put("b", numbers(100))
    assert len(cache) == 1


def test_clear():
    cache = ResultCache(max_bytes=10)
    cache.put("a", 1)
    cache.clear()
    assert (len(cache), cache.num_bytes) == (0, 0)
