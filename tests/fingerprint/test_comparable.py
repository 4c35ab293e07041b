"""What an earlier version left out is not compared."""

import json

import keras

from keras_sharpness.fingerprint import descriptions
from keras_sharpness.fingerprint.comparable import is_digest, is_of_less


def network(*, rate=0.5, units=2, seed=1, activation="relu"):
    inner = keras.Sequential(
        [
            keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.HeNormal(seed),
            ),
            keras.layers.Dropout(rate),
        ]
    )
    return keras.Sequential([keras.Input((3,)), inner])


def squares(y, y_pred, weight=1.0):
    return weight * (y - y_pred) ** 2


def test_what_an_earlier_version_left_out_is_not_compared():
    new = {"model": descriptions.describe_model(network()), "loss": base_loss()}
    old = json.loads(json.dumps(new))
    old["model"]["layers"] = "0" * 32
    old["loss"] = new["loss"]["function"]
    assert descriptions.differences(old, new) == []
    old["loss"] = "another.loss"
    assert len(descriptions.differences(old, new)) == 1
    old = json.loads(json.dumps(new))
    (key,) = (key for key in old["loss"] if key.startswith("code"))
    old["loss"]["code, Python 2.7"] = old["loss"].pop(key)
    assert descriptions.differences(old, new) == []


def base_loss():
    return descriptions.describe_loss(squares)


def test_digests_of_earlier_schemes_are_of_less():
    digest = "0" * 32
    assert is_of_less(digest, f"2-{digest}")
    assert not is_of_less(f"2-{digest}", f"2-{digest}")
    assert not is_of_less(f"2-{digest}", digest)
    assert is_of_less("mse", {"function": "mse", "code": "…"})
    assert not is_of_less("mae", {"function": "mse", "code": "…"})


def test_what_is_a_digest():
    assert is_digest("0f" * 16)
    assert is_digest("2-" + "0f" * 16)
    for other in ("0f" * 15, "3-" + "0f" * 16, "0F" * 16, 32, None):
        assert not is_digest(other)
