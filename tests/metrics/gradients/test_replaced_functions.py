"""Functions that one thread calls others for."""

import threading
import types

import pytest

from keras_sharpness.metrics.gradients.replaced_functions import (
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
