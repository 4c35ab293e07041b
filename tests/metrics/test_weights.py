"""The flat vector of all weights against the arrays that Keras hands over."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.weights import WeightLayout, check_state


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(2, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(1, name="last"),
        ]
    )


def test_variables_lie_one_behind_the_other(model):
    layout = WeightLayout(model)
    arrays = [v.numpy() for v in model.trainable_variables]
    flat = np.concatenate([np.ravel(array) for array in arrays])
    assert layout.size == 3 * 2 + 2 + 2 * 2 + 2 + 1
    np.testing.assert_array_equal(layout.read(), flat)
    np.testing.assert_array_equal(layout.join(arrays), flat)
    for part, array in zip(layout.split(flat), arrays, strict=True):
        assert part.dtype == array.dtype
        np.testing.assert_array_equal(part, array)
    for rows, array in zip(layout.slices.values(), arrays, strict=True):
        np.testing.assert_array_equal(flat[rows], np.ravel(array))


def test_some_of_the_variables(model):
    layout = WeightLayout(model)
    # Kernel and bias, scale and shift, kernel and bias.
    last = model.get_layer("last")
    assert layout.places("last") == layout.places(last) == (4, 5)
    assert layout.places([last.bias, "first/kernel"]) == (0, 5)
    assert layout.size_of((0, 5)) == 7
    assert layout.shapes_of((0, 5)) == [(3, 2), (1,)]
    assert list(layout.slices_of((0, 5)).values()) == [slice(0, 6), slice(6, 7)]
    with pytest.raises(ValueError, match=r"'kern' .* There are: .*last/bias"):
        layout.places("kern")


class Twins(keras.Model):
    """Two layers of one path, as a class of one's own may have them."""

    def __init__(self):
        super().__init__()
        self.parts = [keras.layers.Dense(1, name="part") for _ in range(2)]

    def call(self, x):
        return self.parts[1](self.parts[0](x))


def test_variables_of_one_path_are_told_apart():
    model = Twins()
    model(np.ones((1, 2), "float32"))
    layout = WeightLayout(model)
    assert len(set(layout.paths)) == 2
    assert list(layout.slices.values()) == [
        slice(0, 2),
        slice(2, 3),
        slice(3, 4),
        slice(4, 5),
    ]
    assert [path.endswith("#2") for path in layout.slices] == [
        False,
        False,
        True,
        True,
    ]


def test_the_widest_dtype_is_that_of_the_layout():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(1, dtype="bfloat16"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )
    layout = WeightLayout(model)
    assert layout.dtypes_of((0, 3)) == ["bfloat16", "float64"]
    assert layout.dtype == "float64"
    # NumPy has no bfloat16.
    assert layout.split(np.ones(layout.size))[0].dtype == "float32"


def test_what_has_no_weights_is_refused(model):
    with pytest.raises(ValueError, match="not built yet"):
        WeightLayout(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match="no trainable weights"):
        WeightLayout(keras.Sequential([keras.Input((2,)), keras.layers.ReLU()]))
    layout = WeightLayout(model)
    with pytest.raises(ValueError, match=r"the 15 trainable .* shape \(14,\)"):
        layout.check(np.ones(14))
    bad = np.ones(15)
    bad[[2, 7]] = np.nan, np.inf
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 15"):
        layout.check(bad)


def test_states_have_the_shapes_of_the_model_s(model):
    state = [v.numpy() for v in model.non_trainable_variables]
    check_state(model, state)
    for wrong in (state[:1], [*state[:1], np.ones(3)]):
        with pytest.raises(ValueError, match="each of the 2 variables"):
            check_state(model, wrong)
    with pytest.raises(ValueError, match="a list of arrays"):
        check_state(model, state[0])
