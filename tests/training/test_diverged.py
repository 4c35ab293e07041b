"""A loss that is no number any more."""

import keras
import numpy as np
import pytest

from keras_sharpness.training import TrainingDivergedError, train


class TestDivergence:
    def diverge(self, model, blobs, **options):
        with pytest.raises(TrainingDivergedError) as caught:
            train(model, *blobs, batch_size=16, epochs=60, **options)
        return caught.value

    def test_names_epoch_and_batch_and_restores_the_weights(
        self, make_classifier, blobs, tmp_path
    ):
        class Poison(keras.callbacks.Callback):
            """Makes the third epoch's second update absurd."""

            def on_train_batch_begin(self, batch, logs=None):
                if (self.epoch, batch) == (2, 1):
                    self.model.optimizer.learning_rate = np.inf

            def on_epoch_begin(self, epoch, logs=None):
                self.epoch = epoch

        reference = make_classifier("sgd")
        train(reference, *blobs, batch_size=16, epochs=2)
        model = make_classifier("sgd")
        path = tmp_path / "training.npz"
        error = self.diverge(
            model, blobs, callbacks=[Poison()], checkpoint=path
        )
        # The second batch's update spoils the third batch's loss.
        assert (error.epoch, error.batch) == (3, 3)
        assert "in epoch 3 at batch 3 of 4 (both counted from 1)" in str(error)
        assert "weights of the end of epoch 2" in str(error)
        assert "Lower the learning rate" in str(error)
        assert error.history.stop_reason == "diverged"
        assert len(error.history.epoch) == 2
        for one, other in zip(model.weights, reference.weights, strict=True):
            np.testing.assert_array_equal(one, other)
        # The file holds the same: it goes on from there, and diverges again.
        again = make_classifier("sgd")
        error = self.diverge(
            again, blobs, callbacks=[Poison()], checkpoint=path
        )
        assert (error.epoch, error.batch) == (3, 3)

    def test_last_update_of_an_epoch(self, blobs):
        # The loss of the one batch is finite, the update is not.
        x, y = blobs
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        start = model.get_weights()
        with pytest.raises(TrainingDivergedError) as caught:
            train(
                model, x, y, batch_size=50, epochs=3,
                optimizer=keras.optimizers.SGD(1e38, momentum=0.9),
                loss=lambda y, y_pred: keras.ops.sum(1e4 * y_pred, axis=-1),
            )  # fmt: skip
        error = caught.value
        assert (error.epoch, error.batch) == (1, 1)
        assert "weights it began with" in str(error)
        assert error.history.num_updates == 0
        for one, other in zip(start, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
