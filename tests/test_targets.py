"""What is known of a loss, and which targets it is refused."""

import keras
import numpy as np
import pytest

from keras_sharpness import targets

losses = keras.losses


def mean_squared_error(y, y_pred):
    """Shares its name with a loss of Keras."""


@pytest.mark.parametrize(
    ("loss", "kind", "from_logits"),
    [
        ("sparse_categorical_crossentropy", "sparse", False),
        (losses.SparseCategoricalCrossentropy(), "sparse", False),
        (
            losses.SparseCategoricalCrossentropy(from_logits=True),
            "sparse",
            True,
        ),
        (losses.CategoricalCrossentropy(from_logits=True), "categorical", True),
        (losses.categorical_crossentropy, "categorical", False),
        (losses.BinaryCrossentropy(from_logits=True), "binary", True),
        ("mse", "elementwise", False),
        (losses.Huber(), "elementwise", False),
        (losses.kl_divergence, "elementwise", False),
        ("crossentropy", "unknown", False),
        (mean_squared_error, "unknown", False),
        (lambda y, y_pred: y, "unknown", False),
        (losses.CTC(), "unknown", False),
        ({"a": "mse"}, "unknown", False),
        (None, "unknown", False),
    ],
)
def test_loss_spec(loss, kind, from_logits):
    spec = targets.loss_spec(loss)
    assert (spec.kind, spec.from_logits) == (kind, from_logits)


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no_such_loss"):
        targets.loss_spec("no_such_loss")


SPARSE = targets.loss_spec(losses.SparseCategoricalCrossentropy())
CATEGORICAL = targets.loss_spec(losses.CategoricalCrossentropy())
BINARY = targets.loss_spec(losses.BinaryCrossentropy())
SQUARES = targets.loss_spec("mse")
LABELS = np.array([0, 2, 1, 0])


@pytest.mark.parametrize(
    ("y", "shape", "spec"),
    [
        (LABELS, (4, 3), SPARSE),
        (LABELS[:, None], (4, 3), SPARSE),
        (np.zeros((4, 5), int), (4, 5, 3), SPARSE),
        (np.full((4, 3), 1 / 3), (4, 3), CATEGORICAL),
        (np.ones(4), (4, 1), BINARY),
        (np.ones((4, 1)), (4, 1), SQUARES),
        (np.ones(4), (4, 1), SQUARES),
        (np.ones((4, 1)), (4,), SQUARES),
        (np.ones((4, 2, 2)), (4, 2, 2), SQUARES),
        (np.array(["any"] * 4), (4, 7), targets.loss_spec(None)),
    ],
)
def test_targets_that_fit(y, shape, spec):
    targets.check_targets("y", y, shape, spec)


@pytest.mark.parametrize(
    ("y", "shape", "spec", "message"),
    [
        (LABELS, (4, 2), SPARSE, "labels from 0 to 2"),
        (LABELS - 1, (4, 3), SPARSE, "labels from -1 to 1"),
        (LABELS.astype(float), (4, 3), SPARSE, "dtype float64"),
        (np.eye(4), (4, 4), SPARSE, r"shape \(4, 4\).*one-hot rows"),
        (LABELS, (4, 3), CATEGORICAL, "to_categorical"),
        (np.ones((4, 2)), (4, 3), CATEGORICAL, r"Received: shape \(4, 2\)"),
        (LABELS, (4, 1), BINARY, "from 0 to 2"),
        (np.array([-1, 1, 1, 1]), (4, 1), BINARY, "from -1 to 1"),
        # Keras would broadcast these to (4, 4) and (4, 3).
        (np.ones(4), (4, 4), SQUARES, "change the model's last layer"),
        (np.ones((4, 1)), (4, 3), SQUARES, "Reshape `y`"),
    ],
)
def test_targets_that_do_not_fit(y, shape, spec, message):
    with pytest.raises(ValueError, match=message):
        targets.check_targets("y", y, shape, spec)


def test_an_ignored_class_may_lie_anywhere():
    spec = targets.loss_spec(
        losses.SparseCategoricalCrossentropy(ignore_class=-1)
    )
    targets.check_targets("y", LABELS - 1, (4, 2), spec)
    with pytest.raises(ValueError, match="classes from 0 to 0"):
        targets.check_targets("y", LABELS - 1, (4, 1), spec)


@pytest.mark.parametrize("spec", [SPARSE, CATEGORICAL, BINARY])
def test_logits_for_a_loss_of_probabilities(spec):
    targets.check_probabilities(np.array([[0.0, 1.0]]), spec)
    targets.check_probabilities(np.array([[0.0, 1.002]], "float16"), spec)
    for bad in (-0.5, 1.5):
        with pytest.raises(ValueError, match=r"\(from_logits=True\)"):
            targets.check_probabilities(np.array([[0.0, bad]]), spec)


@pytest.mark.parametrize(
    "spec",
    [SQUARES, targets.loss_spec(losses.BinaryCrossentropy(from_logits=True))],
)
def test_logits_elsewhere(spec):
    targets.check_probabilities(np.array([[-3.0, 7.0]]), spec)


@pytest.mark.parametrize(
    ("y", "shape", "spec", "kind"),
    [
        (LABELS, (4, 3), SPARSE, "sparse"),
        (LABELS[:, None], (4, 3), SPARSE, "sparse"),
        (np.zeros((4, 5), int), (4, 5, 3), SPARSE, "sparse"),
        (np.full((4, 3), 1 / 3), (4, 3), CATEGORICAL, "categorical"),
        (np.eye(4), (4, 4), SQUARES, "categorical"),
        (np.eye(4) * 2, (4, 4), SQUARES, None),
        (np.ones((4, 4)), (4, 4), SQUARES, None),
        (np.array([0, 1, 1, 0]), (4, 1), BINARY, "binary"),
        (np.array([0, 0.5, 1, 0]), (4, 1), BINARY, None),
        (np.array([0, 1, 1, 0]), (4, 1), SQUARES, None),
        (np.ones((4, 3)), (4, 3), BINARY, None),
        ({"a": LABELS}, (4, 3), SPARSE, None),
    ],
)
def test_accuracy_kind(y, shape, spec, kind):
    assert targets.accuracy_kind(y, shape, spec) == kind
