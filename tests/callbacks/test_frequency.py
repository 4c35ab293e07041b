"""When callbacks are due."""

import pytest

from keras_sharpness.callbacks._frequency import BatchCounter, check_frequency


def due(frequency, epochs):
    counter = BatchCounter(frequency)
    return [[b for b in batches if counter.is_due(b)] for batches in epochs]


def test_every_so_many_batches_across_epochs():
    epochs = [range(5), range(5), range(5)]
    assert due(3, epochs) == [[2], [0, 3], [1, 4]]
    assert due(5, epochs) == [[4], [4], [4]]
    assert due(7, epochs) == [[], [1], [3]]


def test_several_batches_at_once():
    # Keras tells of the last one of each execution, here of 4 batches.
    epochs = [(3, 7, 9), (3, 7, 9)]
    assert due(1, epochs) == [[3, 7, 9], [3, 7, 9]]
    assert due(5, epochs) == [[7, 9], [7, 9]]


def test_epochs_of_one_batch():
    assert due(2, [[0], [0], [0], [0]]) == [[], [0], [], [0]]


@pytest.mark.parametrize("frequency", [0, -1, 1.5, True, "batch", None])
def test_other_frequencies_are_refused(frequency):
    with pytest.raises(ValueError, match="number of batches, or 'epoch'"):
        check_frequency(frequency)
