"""How long a computation will take, from how long earlier ones took."""

import dataclasses

import pytest
from work.around import Surface
from work.data import DataChoice
from work.measure import Measure
from work.minimum import Minimum
from work.pace import Paces, Stopwatch

from tests.explorer.driving import SECONDS, dropped, finish, press, texts


def test_the_first_step_is_not_counted():
    watch = Stopwatch()
    for begin in (0.0, 100.0):
        watch.stage("evaluation")
        # The first one compiles; two more take a second together.
        for done, now in ((1, 50.0), (2, 50.4), (3, 51.0)):
            watch.step(done, begin + now)
    watch.stage("")
    watch.step(1, 200.0)
    watch.step(2, 300.0)
    assert watch.read() == pytest.approx({"evaluation": 0.5})
    assert watch.read() == {}


def test_seconds_follow_from_what_was_measured():
    paces = Paces()
    assert paces.seconds("a", {"evaluation": 5}) is None
    paces.learn("a", {"evaluation": 0.1})
    paces.learn("b", {"evaluation": 7.0})
    assert paces.seconds("a", {"evaluation": 5}) == pytest.approx(0.5)
    # A gradient is about three evaluations, a product six.
    assert paces.seconds("a", {"gradient": 1}) == pytest.approx(0.3)
    assert paces.seconds("a", {"product": 1}) == pytest.approx(0.6)
    paces.learn("a", {"product": 2.0})
    assert paces.seconds("a", {"product": 1, "evaluation": 1}) == (
        pytest.approx(2.1)
    )


def test_the_same_network_with_other_weights(session, model_files):
    first, second, wide = (
        Minimum(name=name, path=path, is_shared=False)
        for name, path in model_files.items()
    )
    data = DataChoice(num_samples=31)
    surface = Surface(minima=(first,), data=data, num_points=5)
    assert surface.seconds() is None
    assert session.start([surface]).wait(SECONDS)
    assert surface.seconds() > 0
    other = dataclasses.replace(surface, minima=(second,), num_points=7)
    assert other.seconds() == pytest.approx(surface.seconds() * 49 / 25)
    assert Measure(minima=(second,), data=data, quantity="evaluation").seconds()
    for changed in (
        {"minima": (wide,)},
        {"data": dataclasses.replace(data, num_samples=30)},
    ):
        assert dataclasses.replace(surface, **changed).seconds() is None


@pytest.mark.app
def test_the_page_tells_seconds_once_they_are_known(opened, model_files):
    app = opened(view="Around", side="5", samples="29")
    app = dropped(app, model_files["first"])
    assert [t for t in texts(app.caption) if "known after" in t]
    cost = "25 loss evaluations on 29 samples"
    assert "about" not in next(t for t in texts(app.markdown) if cost in t)
    app = finish(press(app, "Compute"))
    app.number_input(key="plane_seed").set_value(1).run()
    assert f"{cost}, about 1 s" in " ".join(texts(app.markdown))
    assert not [t for t in texts(app.caption) if "known after" in t]
