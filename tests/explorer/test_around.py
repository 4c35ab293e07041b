"""What is drawn around minima: a plane through three, single layers."""

import keras
import numpy as np
import pytest
from work.source import DEMO

from keras_sharpness import landscape
from keras_sharpness.data import load
from keras_sharpness.metrics import Objective
from keras_sharpness.saving import load_model
from tests.explorer.driving import (
    drawn,
    dropped,
    finish,
    is_clean,
    press,
    specs,
    texts,
)

pytestmark = pytest.mark.app
SAMPLES = 50
# Float32 sums over samples.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def models():
    """The demo pair, and a model beside the middle between them."""
    pair = [load_model(path) for path in sorted(DEMO.glob("*/model.keras"))]
    third = keras.models.clone_model(pair[0])
    generator = np.random.default_rng(0)
    ends = zip(*(model.get_weights() for model in pair), strict=True)
    third.set_weights(
        [(a + b) / 2 + 0.1 * generator.random(a.shape) for a, b in ends]
    )
    return dict(zip(("one", "two", "between"), [*pair, third], strict=True))


@pytest.fixture(scope="module")
def paths(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    return [folder / f"{name}.keras" for name in models]


@pytest.fixture(scope="module")
def objective(models):
    data = load("mnist_5k")
    return Objective(
        models["one"],
        data.x_train[:SAMPLES],
        data.y_train[:SAMPLES],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


def test_a_plane_through_three_minima(opened, models, paths, objective):
    app = opened(view="Around", samples=str(SAMPLES), side="5")
    app = dropped(app, *paths)
    app.selectbox(key="plane").select("models").run()
    assert is_clean(app)
    assert "25 loss evaluations on 50 samples" in " ".join(texts(app.markdown))
    app = finish(press(app, "Compute"))
    assert is_clean(app)

    plane = landscape.plane_through(objective, list(models.values()))
    (stars,) = drawn(app, "point")
    assert list(stars["name"]) == list(models)
    np.testing.assert_allclose(
        stars[["alpha", "beta"]], plane.anchors, rtol=1e-6, atol=1e-9
    )
    expected = landscape.loss_surface(objective, plane, num_points=5)
    (cells,) = drawn(app, "rect")
    assert len(cells) == 25
    cells = cells.sort_values(["beta", "alpha"])
    np.testing.assert_allclose(
        cells["loss"], expected.loss.ravel(), rtol=TOLERANCE
    )


def test_directions_layer_by_layer(opened, models, paths, objective):
    app = opened(
        view="Around",
        what="directions",
        samples=str(SAMPLES),
        directions="2",
        by_layer="true",
    )
    app = dropped(app, *paths)
    assert is_clean(app)
    assert "3 computations" in " ".join(texts(app.markdown))
    # Two directions of 25 points for each of the layers that have kernels.
    assert "150 loss evaluations" in " ".join(texts(app.markdown))
    app = finish(press(app, "Compute"))
    assert is_clean(app)
    (chart,) = specs(app)
    expected = landscape.direction_bundle(
        objective, num_directions=2, layers="each"
    )
    titles = [panel["title"]["text"] for panel in chart["concat"]]
    assert titles == list(dict.fromkeys(expected.groups))
    lines = [rows for rows in drawn(app, "line") if "line" in rows]
    assert len(lines) == len(titles)
    losses = np.concatenate(
        [rows[rows["model"] == "one"]["loss"] for rows in lines]
    )
    np.testing.assert_allclose(losses, expected.loss.ravel(), rtol=TOLERANCE)
    assert {*lines[0]["model"]} == {*models}
