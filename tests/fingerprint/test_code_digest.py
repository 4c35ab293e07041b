"""Code of the user counts by what it does."""

import functools

import keras
import numpy as np

from keras_sharpness.fingerprint import descriptions


def squares(y, y_pred, weight=1.0):
    return weight * (y - y_pred) ** 2


def test_functions_count_by_what_they_do():
    def make(code, **names):
        space = {"keras": keras, "np": np, "__name__": "of_a_user", **names}
        exec(f"def loss(y, p):\n    return {code}", space)
        return space["loss"]

    def kept(factor):
        return lambda y, p: factor * (y - p) ** 2

    describe = descriptions.describe_loss
    base = describe(make("(y - p) ** 2"))
    assert base == describe(make("(  y - p) ** 2  # again, two lines below"))
    assert base != describe(make("(y - p) ** 4"))
    assert base != describe(make("abs(y - p) ** 2"))
    # What it reads elsewhere.
    code = "factor * (y - p)"
    assert describe(make(code, factor=1)) == describe(make(code, factor=1))
    assert describe(make(code, factor=1)) != describe(make(code, factor=2))
    arrays = [np.arange(3.0), np.arange(3.0) + 1]
    one, other = (describe(make(code, factor=array)) for array in arrays)
    assert one != other
    code = "helper(y, p)"
    helpers = [make("y - p"), make("y + p")]
    one, other = (describe(make(code, helper=helper)) for helper in helpers)
    assert one != other
    assert describe(kept(1.0)) == describe(kept(1.0))
    assert describe(kept(1.0)) != describe(kept(2.0))
    partials = [functools.partial(squares, weight=w) for w in (1.0, 2.0)]
    assert describe(partials[0]) != describe(partials[1])
    # A package's function is told by its name.
    name = describe(keras.losses.mean_squared_error)
    assert name.endswith("mean_squared_error")


def own_loss(power):
    class Own(keras.losses.Loss):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        if power == 2:

            def call(self, y, p):
                return self.factor * (y - p) ** 2
        else:

            def call(self, y, p):
                return self.factor * (y - p) ** 4

    return Own


def test_own_classes_count_by_what_they_do():
    describe = descriptions.describe_loss
    base = describe(own_loss(2)(1.0))
    assert base == describe(own_loss(2)(1.0))
    assert base != describe(own_loss(4)(1.0))
    # `get_config` says nothing of it.
    assert base != describe(own_loss(2)(3.0))
