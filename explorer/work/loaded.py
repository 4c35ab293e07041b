"""Models that are loaded, and their losses as functions of the weights."""

import collections
import gc
import os
import sys
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from keras_sharpness.saving import ModelFileError, data_mismatch
from work.architecture import description
from work.data import DataChoice
from work.jobs import Job, protect
from work.losses import loss_function, targets
from work.minimum import Minimum

if TYPE_CHECKING:
    import keras

    from keras_sharpness.data import SampleData
    from keras_sharpness.metrics import Objective

# The terminal is for what the explorer has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Of each: a pair of minima, and the objectives of the one and of the other.
_MOST_MODELS, _MOST_OBJECTIVES = 4, 2
SPLITS = ("train", "test")


class Loaded:
    """The models and objectives used last.

    Only the thread of the computations loads; whoever closes a session
    forgets. Compiled graphs are the costly part, so a second computation with
    the same model and data begins at once.
    """

    def __init__(self) -> None:
        self._models: collections.OrderedDict[Hashable, Any] = (
            collections.OrderedDict()
        )
        self._objectives: collections.OrderedDict[Hashable, Any] = (
            collections.OrderedDict()
        )

    def model(self, minimum: Minimum, job: Job) -> "keras.Model":
        """The model of a minimum; nobody may change it."""
        key = minimum.sha256
        if key not in self._models:
            if "keras" not in sys.modules:
                job.stage("Starting Keras")
                import keras  # noqa: F401
            protect()
            job.stage(f"Opening {minimum.name}")
            from keras_sharpness.saving import Limits, load_model

            model = load_model(
                minimum.path,
                name=minimum.name,
                # Strangers' files are not only inspected, but small, too.
                limits=None if minimum.is_shared else Limits(),
            )
            self._add(self._models, key, model, _MOST_MODELS)
        self._models.move_to_end(key)
        return self._models[key]

    def objectives(
        self, minimum: Minimum, data: DataChoice, job: Job
    ) -> dict[str, "Objective"]:
        """The loss on training and on test samples, for a minimum's model.

        Raises:
            ValueError: If model and data do not fit.
        """
        key = minimum.sha256, data
        if key not in self._objectives:
            model = self.model(minimum, job)
            job.stage(f"Loading {data.name}")
            samples = data.load()
            loss = data.loss_of(minimum)
            classes = getattr(samples, "num_classes", None)
            # As numbers, labels are not told apart.
            check_fit(
                minimum, samples, None if loss == "regression" else classes
            )
            job.stage("Compiling the loss")
            self._add(
                self._objectives,
                key,
                _objectives(model, samples, minimum, data),
                _MOST_OBJECTIVES,
            )
        self._objectives.move_to_end(key)
        return self._objectives[key]

    def forget(self, digests: set[str]) -> None:
        """Drops what was made of the files with these hashes."""
        for key in list(self._objectives):
            if key[0] in digests or key[1].sha256 in digests:
                self._objectives.pop(key, None)
        for key in digests:
            self._models.pop(key, None)
        gc.collect()

    @staticmethod
    def _add(
        store: collections.OrderedDict, key: Hashable, value: Any, most: int
    ) -> None:
        while len(store) >= most:
            store.popitem(last=False)
        # Models hold themselves in cycles, and weights in them.
        gc.collect()
        store[key] = value


def check_fit(
    minimum: Minimum, data: "SampleData", num_classes: int | None
) -> None:
    """Says which shapes disagree.

    Raises:
        ModelFileError: If the samples are not what the model takes, or their
            classes more than it tells apart.
    """
    mismatch = data_mismatch(
        description(minimum),
        data.x_train.shape,
        num_classes=num_classes,
        x_values=data.x_train,
    )
    if mismatch:
        raise ModelFileError(mismatch)


def _objectives(
    model: "keras.Model",
    samples: "SampleData",
    minimum: Minimum,
    data: DataChoice,
) -> dict[str, "Objective"]:
    from keras_sharpness.metrics import Objective

    loss = data.loss_of(minimum)
    classes = getattr(samples, "num_classes", None)
    if classes is not None:
        classes = max(classes, model.output_shape[-1] or 0)
    made: dict[str, Objective] = {}
    for split in SPLITS:
        x = getattr(samples, f"x_{split}")[: data.num_samples]
        y = getattr(samples, f"y_{split}")[: data.num_samples]
        made[split] = Objective(
            model,
            x,
            targets(loss, y, classes),
            loss=loss_function(loss),
            batch_norm=data.batch_norm,
            calibration=made.get("train"),
        )
    return made


LOADED = Loaded()
