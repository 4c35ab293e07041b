"""Calls of a configuration are counted as Keras would make them.

Files that take too many, or compute, are in `hostile_graphs`.
"""

import pytest

from keras_sharpness.saving import Limits, UnsafeModelError
from keras_sharpness.saving.graph import check_graph
from tests.saving.hostile_graphs import call, functional, node, tensor


def calls_of(config):
    """The smallest limit that lets a configuration through."""
    for number in range(1, 100):
        try:
            check_graph(config, "a", Limits(calls=number))
        except UnsafeModelError:
            continue
        return number
    raise AssertionError("more than a hundred")


@pytest.mark.parametrize("count", [1, 10])
def test_a_layer_counts_as_often_as_it_is_called(count):
    calls = [call(tensor("in"))] * count
    model = functional([node("Identity", "i", *calls)], "i", calls=count)
    # The model and its input are one each.
    assert calls_of(model) == 2 + count


def test_what_is_inside_counts_for_each_call_of_the_model():
    inner = functional([node("Identity", "i", call(tensor("in")))], "i")
    inner["name"] = "f"
    inner["inbound_nodes"] = [call(tensor("in"))] * 4
    # Model, input and layer of the inner one, four times.
    assert calls_of(functional([inner], "f", name="outer")) == 2 + 4 * 3


def test_tensors_at_any_depth_of_the_arguments_are_found():
    for arguments in (
        call([tensor("in"), tensor("in")]),
        call(x=tensor("in")),
        # As Keras 2 wrote it.
        [["in", 0, 0, {}]],
    ):
        model = functional([node("Add", "a", arguments)], "a")
        check_graph(model, "a", Limits())
    with pytest.raises(UnsafeModelError, match=r"`a` of .* without any"):
        check_graph(
            functional([node("Add", "a", call([1.0, 2.0]))], "a"), "a", Limits()
        )
