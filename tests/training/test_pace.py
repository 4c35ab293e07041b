"""What happens between two updates of an epoch."""

from keras_sharpness.training.pace import Pace


class Check:
    """A loss that halves with every look, every four updates."""

    def __init__(self):
        self.looks = 0

    def interval(self, num_batches):
        assert num_batches == 10
        return 4

    def __call__(self):
        self.looks += 1
        return self.looks == 2


class Rate:
    """Another rate at each of the first two updates of the training."""

    def __init__(self):
        self.set = []

    def before(self, update, batch_size):
        self.set.append((update, batch_size))
        return update < 22


def run(pace):
    """The lengths of the calls until the pace, or the epoch, ends."""
    done, calls = 0, []
    while done < 10:
        length = min(pace.before(done), 10 - done)
        calls.append(length)
        done += length
        if pace.after(done):
            break
    return calls


def pace(rate=None, check=None):
    return Pace(rate, check, updates_before=20, batch_size=8, num_batches=10)


def test_without_either_an_epoch_is_one_call():
    assert run(pace()) == [10]


def test_checks_cut_the_epoch_and_end_it():
    check = Check()
    found = pace(check=check)
    assert run(found) == [4, 4]
    assert found.is_reached
    # Where it was measured already it is not measured again.
    found.check(8)
    assert check.looks == 2


def test_a_changing_rate_is_set_before_each_update():
    rate = Rate()
    assert run(pace(rate=rate)) == [1, 1, 8]
    assert rate.set == [(20, 8), (21, 8), (22, 8)]
