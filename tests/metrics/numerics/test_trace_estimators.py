"""The rows of variables and layers, as traces are summed over them."""

import numpy as np

from keras_sharpness.metrics.numerics.trace_estimators import Segments, layer_of


def sums(segments, rows):
    return (segments.members @ segments.sums(rows)).tolist()


def test_sums_of_variables_layers_and_all():
    slices = {
        "net/a/kernel": slice(0, 2),
        "net/b/kernel": slice(2, 4),
        "net/a/bias": slice(4, 5),
    }
    segments = Segments(5, slices)
    rows = np.array([[1.0, 2], [10, 20], [100, 200], [1000, 0], [5, 5]])
    assert segments.variables == tuple(slices)
    assert segments.layers == ("net/a", "net/b")
    assert sums(segments, rows) == [
        [1116, 227],
        [11, 22],
        [1100, 200],
        [5, 5],
        [16, 27],
        [1100, 200],
    ]


def test_an_operator_without_variables_has_a_total():
    segments = Segments(3, {})
    assert sums(segments, np.ones((3, 2))) == [[3, 3]]
    assert segments.variables == segments.layers == ()


def test_rows_of_no_variable_count_in_the_total():
    segments = Segments(6, {"a/b": slice(1, 3)})
    assert sums(segments, np.arange(6.0)[:, None]) == [[15], [3], [3]]


def test_a_variable_without_a_layer_is_one():
    assert layer_of("scale") == "scale"
    assert layer_of("a/b/c") == "a/b"
