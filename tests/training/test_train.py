"""Training end to end: repeatable, honest, and at home in Keras."""

import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.models.xla import gains_from_xla
from keras_sharpness.training import (
    CheckpointError,
    train,
)

LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_same_seed_same_bits_with_convolutions_and_dropout(
    make_convnet, images, assert_same_bits
):
    models = [make_convnet(), make_convnet()]
    histories = [
        train(
            model, *images, batch_size=20, epochs=4, seed=3,
            validation_data=images,
        )
        for model in models
    ]  # fmt: skip
    assert_same_bits(models[0], histories[0], models[1], histories[1])


def test_same_bits_with_xla_and_dropout_on_real_digits():
    data = ks.data.load("mnist_5k")
    models = []
    for _ in range(2):
        model = ks.models.F1(seed=0)
        # F1, with dropout before its last layer.
        hidden = keras.layers.Dropout(0.5)(model.layers[-2].output)
        model = keras.Model(model.inputs, model.layers[-1](hidden))
        model.compile(loss=LOGITS_LOSS)
        models.append(model)
    histories = [
        train(
            model, data.x_train[:750], data.y_train[:750],
            batch_size=250, epochs=2,
        )
        for model in models
    ]  # fmt: skip
    assert gains_from_xla(models[0])
    # Matrix products of this size are spread over the threads of a machine.
    for one, other in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(histories[0].loss, histories[1].loss)
    assert histories[0].accuracy[-1] > 0.7


def test_another_seed_gives_another_order_and_dropout(make_classifier, blobs):
    x, y = blobs
    losses = []
    for seed in (0, 1):
        # One batch: the order does not matter, the dropout does.
        model = make_classifier(dropout=0.5)
        history = train(model, x, y, batch_size=50, epochs=1, seed=seed)
        losses.append(history.loss[0])
    # The order alone would change the rounding only.
    assert abs(losses[0] - losses[1]) > 1e-3


def test_global_random_state_is_not_touched(make_convnet, images):
    keras.utils.set_random_seed(11)
    expected = (
        random.random(),
        np.random.random(),
        tf.random.uniform(()).numpy(),
        keras.ops.convert_to_numpy(keras.random.uniform(())),
    )
    model = make_convnet()
    keras.utils.set_random_seed(11)
    train(model, *images, batch_size=20, epochs=1)
    assert expected == (
        random.random(),
        np.random.random(),
        tf.random.uniform(()).numpy(),
        keras.ops.convert_to_numpy(keras.random.uniform(())),
    )


def test_history_counts_and_goes_to_json(make_classifier, blobs, tmp_path):
    x, y = blobs
    history = train(
        make_classifier(), x, y, batch_size=16, epochs=3,
        validation_data=(x, y), seed=4,
    )  # fmt: skip
    assert history.stop_reason == "epochs"
    assert (history.num_samples, history.batch_size) == (50, 16)
    assert (history.num_updates, history.seed) == (12, 4)
    assert history.optimizer["class"] == "Adam"
    assert history.loss_name == "SparseCategoricalCrossentropy"
    np.testing.assert_array_equal(history.epoch, [1, 2, 3])
    assert history.total_seconds >= history.seconds.sum()
    frame = history.history
    assert list(frame) == [
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
        "seconds",
    ]
    history.save(tmp_path / "history.json")
    loaded = type(history).load(tmp_path / "history.json")
    assert loaded.to_frame().equals(frame)
    json.dumps(history.to_dict())


def test_patience_stops_when_the_loss_ceases_to_improve(blobs):
    # A learning rate of zero: the loss of the full batch stays the same.
    x, y = blobs
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    history = train(
        model, x, y, batch_size=50, epochs=50, patience=4,
        optimizer=keras.optimizers.SGD(0.0), min_delta=1e-4,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )  # fmt: skip
    assert history.stop_reason == "patience"
    assert len(history.epoch) == 1 + 4


class TestOptimizer:
    def test_fresh_state_with_the_compiled_settings(
        self, make_classifier, blobs
    ):
        model = make_classifier(keras.optimizers.SGD(0.1, momentum=0.9))
        start = model.get_weights()
        train(model, *blobs, batch_size=25, epochs=2)
        first = model.get_weights()
        assert model.optimizer.momentum == 0.9
        assert int(model.optimizer.iterations) == 4
        model.set_weights(start)
        train(model, *blobs, batch_size=25, epochs=2)
        # Momentum left over from the first training would show.
        for one, other in zip(first, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert int(model.optimizer.iterations) == 4

    def test_given_by_name_or_object(self, make_classifier, blobs):
        model = make_classifier()
        train(model, *blobs, batch_size=25, epochs=1, optimizer="rmsprop")
        assert isinstance(model.optimizer, keras.optimizers.RMSprop)
        ours = keras.optimizers.SGD(0.25)
        history = train(model, *blobs, batch_size=25, epochs=1, optimizer=ours)
        assert model.optimizer is ours
        assert history.learning_rate[0] == 0.25
        # A used one serves a second model with its settings.
        other = make_classifier()
        train(other, *blobs, batch_size=25, epochs=1, optimizer=ours)
        assert float(other.optimizer.learning_rate) == 0.25
        assert int(other.optimizer.iterations) == 2

    def test_not_compiled_means_adam(self, blobs):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        train(
            model, *blobs, batch_size=25, epochs=1,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )  # fmt: skip
        assert isinstance(model.optimizer, keras.optimizers.Adam)
        # The model is compiled now, and reports an accuracy by itself.
        logs = model.evaluate(*blobs, return_dict=True, verbose=0)
        assert set(logs) == {"loss", "accuracy"}

    def test_a_rate_lowered_by_a_callback_starts_anew(
        self, make_classifier, blobs
    ):
        model = make_classifier(keras.optimizers.SGD(0.5))
        lower = keras.callbacks.LearningRateScheduler(
            lambda epoch, rate: rate / 2 if epoch else rate
        )
        options = {"batch_size": 25, "epochs": 3, "callbacks": [lower]}
        rates = [0.5, 0.25, 0.125]
        history = train(model, *blobs, **options)
        np.testing.assert_array_equal(history.learning_rate, rates)
        history = train(model, *blobs, **options)
        np.testing.assert_array_equal(history.learning_rate, rates)
        model.optimizer.learning_rate = 0.0625  # by hand: meant to stay
        history = train(model, *blobs, batch_size=25, epochs=1)
        assert history.learning_rate[0] == 0.0625

    def test_weight_decay_exclusions_survive(self, make_classifier, blobs):
        optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
        results = []
        for _ in range(2):  # the second time the optimizer has been used
            model = make_classifier()
            train(model, *blobs, batch_size=50, epochs=1, optimizer=optimizer)
            results.append(model.get_weights())
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_schedule(self, make_classifier, blobs):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
            [2], [0.5, 0.25]
        )
        model = make_classifier(keras.optimizers.SGD(schedule))
        history = train(model, *blobs, batch_size=25, epochs=2)
        # Two updates an epoch; the rate changes after the third update.
        np.testing.assert_array_equal(history.learning_rate, [0.5, 0.25])


class TestSavedModel:
    def test_optimizer_and_metrics_are_saved(
        self, make_classifier, blobs, tmp_path
    ):
        model = make_classifier()
        train(
            model, *blobs, batch_size=25, epochs=2,
            optimizer=keras.optimizers.SGD(0.125, momentum=0.5),
        )  # fmt: skip
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.optimizer.momentum == 0.5
        assert int(loaded.optimizer.iterations) == 4
        assert set(loaded.evaluate(*blobs, return_dict=True, verbose=0)) == {
            "loss",
            "accuracy",
        }

    def test_lambdas_and_own_metrics_survive_the_recompilation(self, blobs):
        def largest(y, y_pred):
            return keras.ops.max(keras.ops.abs(y_pred - y))

        x = blobs[0]
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", lambda y, p: (y - p) ** 2, metrics=[largest])
        train(model, x, x[:, :1], batch_size=25, epochs=1)
        logs = model.evaluate(x, x[:, :1], return_dict=True, verbose=0)
        assert set(logs) == {"loss", "largest"}


@pytest.mark.parametrize(
    ("last_layer", "loss", "targets", "expected"),
    [
        # The columns of the weights point to the classes' centres.
        (keras.layers.Dense(3), "sparse logits", "labels", 1.0),
        (keras.layers.Dense(3, "softmax"), "sparse", "labels", 1.0),
        (keras.layers.Dense(3, "softmax"), "categorical", "one-hot", 1.0),
        (keras.layers.Dense(3), "mse", "one-hot", 1.0),
        (keras.layers.Dense(3), "mse", "twice one-hot", None),
        (keras.layers.Dense(1, "sigmoid"), "binary", "is zero", 1.0),
        (keras.layers.Dense(1), "binary logits", "is zero", 1.0),
        (keras.layers.Dense(1), "mse", "is zero", None),
    ],
)
def test_accuracy_where_y_is_a_class(last_layer, loss, targets, expected):
    labels = np.arange(30) % 3
    x = 4.0 * np.eye(3)[labels]
    y = {
        "labels": labels,
        "one-hot": np.eye(3)[labels],
        "twice one-hot": 2 * np.eye(3)[labels],
        "is zero": (labels == 0).astype(int),
    }[targets]
    losses = keras.losses
    loss = {
        "sparse logits": losses.SparseCategoricalCrossentropy(from_logits=True),
        "sparse": "sparse_categorical_crossentropy",
        "categorical": "categorical_crossentropy",
        "mse": "mse",
        "binary": "binary_crossentropy",
        "binary logits": losses.BinaryCrossentropy(from_logits=True),
    }[loss]
    model = keras.Sequential([keras.Input((3,)), last_layer])
    if last_layer.units == 3:
        model.set_weights([np.eye(3), np.zeros(3)])
    else:
        # Outputs 0.2 and -0.2 before the sigmoid: a threshold of 0.5 on
        # logits would count the positive class as wrong.
        kernel = np.array([[0.1], [0.0], [0.0]])
        model.set_weights([kernel, np.array([-0.2])])
    history = train(
        model, x, y, batch_size=30, epochs=1, loss=loss,
        optimizer=keras.optimizers.SGD(0.0),
    )  # fmt: skip
    if expected is None:
        assert history.accuracy is None
        assert "accuracy" not in history.to_frame()
    else:
        assert history.accuracy[0] == expected
        logs = model.evaluate(x, y, return_dict=True, verbose=0)
        assert logs["accuracy"] == expected


class TestRefusals:
    """Every refusal comes before the model is changed, and says what to do."""

    @pytest.fixture
    def refuse(self, make_classifier, blobs):
        def check(message, model=None, x=blobs[0], y=blobs[1], **options):
            model = make_classifier() if model is None else model
            optimizer = model.optimizer if model.compiled else None
            weights = [np.array(v) for v in model.variables]
            options = {"batch_size": 10, "epochs": 1, **options}
            with pytest.raises((ValueError, OSError), match=message) as caught:
                train(model, x, y, **options)
            assert "\n" not in str(caught.value)
            assert (model.optimizer if model.compiled else None) is optimizer
            for variable, before in zip(model.variables, weights, strict=True):
                np.testing.assert_array_equal(np.array(variable), before)

        return check

    def test_data(self, refuse, blobs):
        x, y = blobs
        bad = x.copy()
        bad[3, 1] = np.nan
        refuse("at least one sample", x=x[:0], y=y[:0])
        refuse("x: 50, y: 49.*same length", y=y[:-1])
        refuse("`x` must be finite.*1 of 200", x=bad)
        refuse("`y` is missing", y=None)
        refuse("`x` does not fit model .*Keras", x=np.array([["a"] * 4] * 50))
        refuse("stacking its batches", x=tf.data.Dataset.range(3))
        refuse("`sample_weight` must be finite", sample_weight=[np.inf] * 50)
        refuse("sample_weight: 3", sample_weight=np.ones(3))
        refuse("`validation x` must be fin", validation_data=(bad, y))
        refuse("must be a tuple", validation_data=x)
        refuse("`validation y`.*0 to 2", validation_data=(x, y + 1))

    def test_labels(self, refuse, blobs):
        y = blobs[1]
        refuse("from 0 to 2, as the model has 3 outputs.*-1 to 1", y=y - 1)
        refuse("from 1 to 3", y=y + 1)
        refuse(r"astype\('int64'\)", y=y.astype("float32"))
        refuse("use CategoricalCrossentropy for one-hot", y=np.eye(3)[y])

    def test_targets_of_other_losses(self, refuse, blobs):
        y = blobs[1]
        regression = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(1)]
        )
        regression.compile("sgd", "mse")
        refuse(r"outputs' shape \(50, 1\)", regression, y=np.eye(3)[y])
        binary = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(1, "sigmoid")]
        )
        binary.compile("sgd", "binary_crossentropy")
        refuse("Map the two classes to 0 and 1", binary, y=2 * (y > 0) - 1)
        refuse("to_categorical", loss="categorical_crossentropy", y=y)

    def test_logits_under_a_loss_of_probabilities(self, refuse):
        refuse(
            r"returns logits.*"
            r"SparseCategoricalCrossentropy\(from_logits=True\)",
            loss="sparse_categorical_crossentropy",
        )

    def test_numbers(self, refuse):
        refuse("`batch_size` must be an integer from 1 to", batch_size=0)
        refuse("`batch_size` must be an integer", batch_size=2.5)
        refuse("`batch_size=50` to train on the full", batch_size=51)
        refuse("`epochs` must be an integer of at least 1", epochs=0)
        refuse("`epochs` must be an integer", epochs=True)
        refuse("`patience` must be", patience=0)
        refuse("`min_delta` must be", min_delta=-1.0)
        refuse("`seed` must be an integer of at least 0", seed=-1)
        refuse("`checkpoint_seconds` must be", checkpoint_seconds=np.nan)
        refuse("`jit_compile` must be a bool or 'auto'", jit_compile="yes")
        refuse("`progress` must be a bool", progress="bar")

    def test_callbacks_and_files(self, refuse, tmp_path):
        refuse("must be a list of", callbacks=[print])
        refuse(
            r"Pass `checkpoint='training\.npz'`",
            callbacks=[keras.callbacks.BackupAndRestore(str(tmp_path))],
        )
        refuse("there is no folder", checkpoint=tmp_path / "no" / "file")
        refuse("it is a folder", checkpoint=tmp_path)
        refuse("`checkpoint` must be the path of a file", checkpoint=3)
        (tmp_path / "text").write_text("no checkpoint")
        with pytest.raises(CheckpointError):
            train(checkpoint=tmp_path / "text", **self.anything())

    def anything(self):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.ones((2, 1))
        return {"model": model, "x": x, "y": x, "batch_size": 1, "epochs": 1}

    def test_models(self, refuse, make_classifier):
        layers = keras.layers
        frozen = make_classifier()
        frozen.trainable = False
        refuse("no trainable weights", frozen)
        refuse(
            "not compiled with a loss.*Pass `loss=",
            keras.Sequential([keras.Input((4,)), layers.Dense(3)]),
        )
        spoilt = make_classifier()
        spoilt.layers[0].kernel.assign(np.full((4, 8), np.nan))
        refuse("must be finite.*load good weights", spoilt)
        with pytest.raises(ValueError, match=r"must be a keras\.Model"):
            train(layers.Dense(3), None, None, batch_size=1, epochs=1)

        class OwnStep(keras.Sequential):
            def train_step(self, data):
                return {}

        refuse(
            "overrides `train_step`",
            OwnStep([keras.Input((4,)), layers.Dense(3)]),
        )
