"""What all measuring callbacks do: logs, frequency, cost."""

import csv
import shutil
import time

import keras
import numpy as np
import pytest

from keras_sharpness import Objective, epsilon_sharpness
from keras_sharpness.callbacks import (
    EdgeOfStability,
    EpsilonSharpness,
    HessianEigenvalues,
    HessianTrace,
    SpectralDensity,
)

QUICK = {"maximizer": "frank-wolfe", "max_iterations": 3}


class Slow(EpsilonSharpness):
    """A measurement of at least so many seconds, in small steps."""

    seconds = 0.2

    def measure(self, objective, progress):
        for step in range(20):
            time.sleep(self.seconds / 20)
            progress(step, 20)
        return super().measure(objective, progress)


def test_keras_callbacks_and_the_progress_line_see_the_values(
    build, data, tmp_path, capsys
):
    sharpness = EpsilonSharpness(*data, **QUICK)
    eigenvalue = HessianEigenvalues(*data)
    early = keras.callbacks.EarlyStopping(
        "epsilon_sharpness", mode="max", min_delta=1e9, patience=3
    )
    model = build()
    history = model.fit(
        *data,
        epochs=9,
        verbose=2,
        callbacks=[
            sharpness,
            eigenvalue,
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "{epoch}-{hessian_eigenvalue:.3f}.weights.h5",
                monitor="epsilon_sharpness",
                mode="max",
                save_weights_only=True,
            ),
            early,
        ],
    )
    # The first is the best, as no later one can be better by 1e9.
    assert early.stopped_epoch == 3
    logged = history.history
    assert {len(values) for values in logged.values()} == {4}
    assert logged["epsilon_sharpness"] == [r.value for r in sharpness.results]
    assert early.best == sharpness.results[0].value
    assert logged["hessian_eigenvalue"] == [
        r.eigenvalues[0] for r in eigenvalue.results
    ]
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    for key, values in logged.items():
        assert [float(row[key]) for row in rows] == values
    names = sorted(path.name for path in tmp_path.glob("*.h5"))
    assert names == [
        f"{epoch + 1}-{value:.3f}.weights.h5"
        for epoch, value in enumerate(logged["hessian_eigenvalue"])
    ]
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if " - epsilon_sharpness: " in line]
    assert len(shown) == 4
    assert (
        f"hessian_eigenvalue: {logged['hessian_eigenvalue'][0]:.4f}"
        in (shown[0])
    )
    # The same value as the function gives for the same weights.
    again = epsilon_sharpness(
        Objective(model, *data), epsilon=1e-3, seed=0, **QUICK
    )
    assert again.value == sharpness.results[-1].value
    frame = sharpness.to_frame()
    assert list(frame.epoch) == sharpness.epochs == [0, 1, 2, 3]
    assert list(frame.step) == sharpness.steps == [2, 4, 6, 8]
    assert list(frame.epsilon_sharpness) == logged["epsilon_sharpness"]
    # The set-up is part of the first epoch's cost, not of a measurement's.
    spent = np.array(logged["epsilon_sharpness_seconds"])
    np.testing.assert_array_equal(spent[1:], frame.seconds[1:])
    assert spent[0] > frame.seconds[0] > 0.0


def test_every_so_many_batches(build, data):
    callback = EpsilonSharpness(*data, frequency=8, **QUICK)
    history = build().fit(
        *data, batch_size=8, epochs=3, callbacks=[callback], verbose=0
    )
    # Six batches per epoch; the end of the first one comes without asking.
    assert callback.steps == [6, 8, 16]
    assert callback.epochs == [0, 1, 2]
    assert history.history["epsilon_sharpness"] == [
        result.value for result in callback.results
    ]
    seen = []
    callback = EpsilonSharpness(*data, frequency=2, **QUICK)
    later = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(
            logs.get("epsilon_sharpness")
        )
    )
    history = build().fit(
        *data, batch_size=8, epochs=1, callbacks=[callback, later], verbose=0
    )
    a, b, c = (result.value for result in callback.results)
    assert seen == [None, a, a, b, b, c]
    assert history.history["epsilon_sharpness"] == [c]


def test_batches_are_watched_only_where_asked_for(data):
    plain = keras.callbacks.Callback.on_train_batch_end
    for options, is_plain in (({}, True), ({"frequency": 1}, False)):
        hook = EpsilonSharpness(*data, **options).on_train_batch_end
        assert (hook.__func__ is plain) == is_plain


def test_what_does_not_fit_into_the_share_is_left_out_and_said(build, data):
    callback = Slow(*data, max_share=1e-3, **QUICK)
    with pytest.warns(UserWarning, match="skipped after 1 in epoch 2") as said:
        history = build().fit(*data, epochs=4, callbacks=[callback], verbose=0)
    assert [w.category for w in said].count(UserWarning) == 1
    logs = history.history
    assert callback.epochs == [0]
    assert logs["epsilon_sharpness"] == 4 * [callback.results[0].value]
    assert logs["epsilon_sharpness_skipped"] == [0.0, 1.0, 1.0, 1.0]
    assert logs["epsilon_sharpness_seconds"][1:] == [0.0, 0.0, 0.0]


def test_a_measurement_beyond_the_seconds_is_broken_off(build, data):
    callback = Slow(*data, max_seconds=60.0, **QUICK)
    model, plain = build(), build()
    plain.fit(*data, epochs=2, verbose=0)

    def almost_spent(epoch, logs):
        if epoch == 0:
            # All but a tenth of a second, half of what a measurement takes.
            rest = 59.9 - callback._budget._spent
            callback._budget.add(rest, is_setup=True)

    spend = keras.callbacks.LambdaCallback(on_epoch_begin=almost_spent)
    with pytest.warns(UserWarning, match="broken off after 0 in epoch 1"):
        history = model.fit(
            *data, epochs=2, callbacks=[spend, callback], verbose=0
        )
    assert callback.results == []
    assert np.all(np.isnan(history.history["epsilon_sharpness"]))
    assert history.history["epsilon_sharpness_skipped"] == [1.0, 1.0]
    for one, other in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_that_diverges_goes_on(build, data):
    callback = EpsilonSharpness(*data, **QUICK)
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            epoch == 1 and spoil.model.layers[0].bias.assign(np.full(6, np.nan))
        )
    )
    with pytest.warns(UserWarning, match="the weights are not finite"):
        history = build().fit(
            *data, epochs=3, callbacks=[spoil, callback], verbose=0
        )
    np.testing.assert_array_equal(
        np.isnan(history.history["epsilon_sharpness"]), [False, True, True]
    )
    assert callback.epochs == [0]


class GoesAway(keras.utils.PyDataset):
    """Data whose file is gone after the training has begun."""

    def __init__(self, x, y):
        super().__init__()
        self.arrays, self.is_there = (x, y), True

    num_batches = 1

    def __getitem__(self, index):
        if not self.is_there:
            raise OSError("No such file or directory: 'data.h5'")
        return self.arrays


@pytest.mark.parametrize(
    "kind",
    [
        EpsilonSharpness,
        HessianEigenvalues,
        HessianTrace,
        SpectralDensity,
        EdgeOfStability,
    ],
)
def test_what_cannot_be_measured_ends_no_training(build, data, kind):
    there = GoesAway(*data)
    callback = kind(there)
    away = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(
            there, "is_there", epoch == 0
        )
    )
    model, plain = build(), build()
    plain.fit(*data, epochs=3, verbose=0)
    with pytest.warns(
        UserWarning, match=r"is NaN: OSError: .*data\.h5"
    ) as said:
        history = model.fit(
            *data, epochs=3, callbacks=[away, callback], verbose=0
        )
    assert [w.category for w in said].count(UserWarning) == 1
    frame = callback.to_frame().drop(columns=["epoch", "step", "seconds"])
    for key in frame:
        assert history.history[key][0] == frame[key][0]
        assert np.all(np.isnan(history.history[key][1:]))
    assert callback.epochs == [0]
    for one, other in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_histograms_that_cannot_be_written_end_no_training(
    build, data, tmp_path
):
    callback = SpectralDensity(*data, num_steps=3, log_dir=tmp_path / "logs")
    model = build()
    folder = tmp_path / "logs"

    def lose(epoch, logs):
        # As a disk that is gone; it was there when the training began.
        if folder.is_dir():
            shutil.rmtree(folder)
            folder.write_text("a file")

    block = keras.callbacks.LambdaCallback(on_epoch_begin=lose)
    with pytest.warns(UserWarning, match="was not written") as said:
        history = model.fit(
            *data, epochs=2, callbacks=[block, callback], verbose=0
        )
    assert [w.category for w in said].count(UserWarning) == 1
    assert np.all(np.isfinite(history.history["spectral_density_trace"]))


def test_two_of_a_kind_need_names(build, data):
    options = {"epochs": 1, "verbose": 0}
    one, other = (EpsilonSharpness(*data, **QUICK) for _ in range(2))
    with pytest.warns(UserWarning, match="another 'epsilon_sharpness'"):
        history = build().fit(*data, callbacks=[one, other], **options)
    # It does not end a training, whose first epoch may have taken a day.
    assert history.history["epsilon_sharpness"] == [one.results[0].value]
    assert len(other.results) == 1
    other = EpsilonSharpness(*data, name="val_epsilon_sharpness", **QUICK)
    history = build().fit(*data, callbacks=[one, other], **options)
    logs = history.history
    assert logs["val_epsilon_sharpness"] == logs["epsilon_sharpness"]
    # A second training forgets the first.
    one.model.fit(*data, callbacks=[one], **options)
    assert one.epochs == [0]


def test_an_objective_may_be_shared(build, data):
    model = build()
    objective = Objective(model, *data)
    callbacks = [EpsilonSharpness(objective), HessianEigenvalues(objective)]
    logs = model.fit(*data, callbacks=callbacks, verbose=0).history
    assert {"epsilon_sharpness", "hessian_eigenvalue"} <= logs.keys()
    with pytest.raises(ValueError, match="Build it with ks"):
        build().fit(*data, callbacks=callbacks, verbose=0)
    with pytest.raises(ValueError, match="beside it: y, batch_size"):
        EpsilonSharpness(objective, data[1], batch_size=3)
    with pytest.raises(TypeError, match="Unknown arguments: epsylon"):
        EpsilonSharpness(*data, epsylon=1.0)
