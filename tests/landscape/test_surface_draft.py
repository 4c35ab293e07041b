"""A loss surface that is interrupted, and its file."""

import threading

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import (
    LossSurface,
    loss_surface,
    random_plane,
    surface_stages,
)


class TestInterrupted:
    def test_stopped_and_resumed(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        options = {"num_points": 9, "path": path}
        plane = random_plane(classifier["train"])
        whole = loss_surface(classifier, plane, num_points=9)
        before = classifier["train"].count
        calls = iter(range(100))
        part = loss_surface(
            classifier, plane, stop=lambda: next(calls) >= 40, **options
        )
        assert part.finished.sum() == 40
        assert np.isnan(part.losses["train"][~part.finished]).all()
        assert len(part.to_frame()) == 80
        steps = []
        rest = loss_surface(
            classifier,
            plane,
            progress=lambda *step: steps.append(step),
            **options,
        )
        # Not one point twice.
        assert classifier["train"].count - before == 81
        assert steps[-1] == (82, 82)
        for name in classifier:
            np.testing.assert_array_equal(rest.loss[name], whole.loss[name])
            np.testing.assert_array_equal(
                rest.accuracy[name], whole.accuracy[name]
            )
        assert rest.seconds >= part.seconds > 0.0
        again = LossSurface.load(path)
        assert again.is_complete
        np.testing.assert_array_equal(again.loss["test"], whole.loss["test"])
        loss_surface(classifier, plane, **options)
        assert classifier["train"].count - before == 81

    def test_an_exception_keeps_the_file(self, classifier, tmp_path):
        path = tmp_path / "surface.json"

        def interrupt(done, total):
            if done == 11:  # in the middle of the sixth point
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            loss_surface(
                classifier, num_points=5, path=path, progress=interrupt
            )
        assert LossSurface.load(path).finished.sum() == 5

    def test_left_early_the_stages_write_the_file(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        for surface in surface_stages(classifier, num_points=9, path=path):
            assert not surface.is_complete
            break
        del surface
        assert LossSurface.load(path).finished.sum() == 9

    def test_other_settings_are_refused(self, classifier, tmp_path):
        path = tmp_path / "surface.json"
        event = threading.Event()
        event.set()
        options = {"num_points": 5, "path": path}
        empty = loss_surface(classifier, stop=event, **options)
        assert not empty.finished.any()
        with pytest.raises(ValueError, match="plane: '"):
            loss_surface(classifier, seed=1, **options)
        with pytest.raises(ValueError, match="grid: '"):
            loss_surface(classifier, num_points=7, path=path)
        with pytest.raises(ValueError, match=r"objectives\.test"):
            loss_surface(classifier["train"], **options)
        train = classifier["train"]
        data = np.zeros((32, 5)), np.zeros(32)
        other = ks.Objective(train.model, *data, loss=train.loss.function)
        with pytest.raises(ValueError, match=r"objectives\.train\.data"):
            loss_surface({**classifier, "train": other}, **options)
        path.write_text("{}")
        with pytest.raises(ValueError, match="not a saved result"):
            loss_surface(classifier, **options)
