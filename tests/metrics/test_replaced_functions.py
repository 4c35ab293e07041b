"""Functions that one thread calls others for."""

import threading
import types

import pytest

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@pytest.fixture
def module():
    return types.SimpleNamespace(add=lambda a, b: a + b, negate=lambda a: -a)


def ten_more(original, *args, **options):
    return 10 + original(*args, **options)


def test_replacements_get_the_function_and_its_arguments(module):
    with replaced_functions(module, add=ten_more, negate=ten_more):
        assert module.add(1, b=2) == 13
        assert module.negate(1) == 9
    assert module.add(1, b=2) == 3
    assert module.negate(1) == -1


def test_blocks_may_be_nested(module):
    with replaced_functions(module, add=ten_more):
        with replaced_functions(module, add=ten_more):
            assert module.add(1, 2) == 23
        assert module.add(1, 2) == 13


def test_other_threads_keep_the_modules_own(module):
    found = []
    with replaced_functions(module, add=ten_more):
        thread = threading.Thread(target=lambda: found.append(module.add(1, 2)))
        thread.start()
        thread.join()
    assert found == [3]


def test_after_an_exception_all_is_as_before(module):
    before = module.add, module.negate
    with (
        pytest.raises(RuntimeError),
        replaced_functions(module, add=ten_more, negate=ten_more),
    ):
        raise RuntimeError
    assert (module.add, module.negate) == before


def test_blocks_of_threads_may_overlap(module):
    """One thread begins, another begins, the first ends, the other ends."""
    before = module.add
    begun, go_on, found = threading.Event(), threading.Event(), []

    def second():
        with replaced_functions(module, add=ten_more):
            begun.set()
            go_on.wait()
            found.append(module.add(1, 2))

    thread = threading.Thread(target=second)
    with replaced_functions(module, add=ten_more):
        thread.start()
        begun.wait()
        assert module.add(1, 2) == 13
    assert module.add(1, 2) == 3
    go_on.set()
    thread.join()
    assert found == [13]
    assert module.add is before


def test_who_keeps_the_function_gets_the_modules_own_afterwards(module):
    with replaced_functions(module, add=ten_more):
        kept = module.add
        assert kept(1, 2) == 13
    assert kept(1, 2) == 3
    with replaced_functions(module, negate=ten_more):
        assert kept(1, 2) == 3


def test_what_somebody_else_sets_meanwhile_stays(module):
    def other(a, b):
        return 100 * a + b

    with replaced_functions(module, add=ten_more):
        module.add = other
    assert module.add is other


class Adder:
    def add(self, a, b):
        return a + b


def test_objects_get_their_method_back():
    adder = Adder()
    with replaced_functions(adder, add=ten_more):
        assert adder.add(1, 2) == 13
        assert Adder().add(1, 2) == 3
    assert adder.add(1, 2) == 3
    assert vars(adder) == {}


def test_objects_keep_what_the_caller_has_set():
    adder = Adder()
    adder.add = own = lambda a, b: a * b
    with replaced_functions(adder, add=ten_more):
        assert adder.add(3, 4) == 22
    assert vars(adder) == {"add": own}
