"""What a curvature matrix is called, and which there are."""

import pytest

from keras_sharpness.metrics.curvature import Curvature

PATHS = ("a/kernel", "a/bias", "b/kernel")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"matrix": "hessian"}, "hessian"),
        ({"matrix": "hessian", "places": (0, 1, 2)}, "hessian"),
        ({"matrix": "fisher", "places": (1,)}, "fisher of a/bias"),
        (
            {"matrix": "gauss-newton", "places": (0, 2)},
            "gauss-newton of a/kernel, b/kernel",
        ),
        (
            {
                "matrix": "monte-carlo-fisher",
                "num_samples": 4,
                "seed": 7,
                "places": (2,),
            },
            "monte-carlo-fisher, num_samples=4, seed=7 of b/kernel",
        ),
        # Nothing is drawn.
        ({"matrix": "empirical-fisher", "seed": 7}, "empirical-fisher"),
    ],
)
def test_names(options, name):
    assert Curvature(**options).name(PATHS) == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matrix": "guess"}, "'hessian', 'gauss-newton'"),
        ({"matrix": "fisher", "num_samples": 0}, "num_samples=0"),
        ({"matrix": "fisher", "seed": -1}, "seed=-1"),
    ],
)
def test_bad_options_name_the_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        Curvature(**options)
