"""Results that the tests of the charts draw."""

import numpy as np

from keras_sharpness.landscape import Interpolation
from keras_sharpness.training import TrainingHistory

ALPHAS = np.linspace(-1.0, 2.0, 25)


def interpolation(
    losses=None,
    accuracies=None,
    barriers=None,
    *,
    alphas=ALPHAS,
    path="linear",
    distance=12.34,
    loss="sparse_categorical_crossentropy",
):
    """Train and test curves with a hump of 0.5 at α = 0.5 between minima."""
    alphas = np.asarray(alphas)
    if losses is None:
        hump = np.where((alphas > 0) & (alphas < 1), 2 * alphas, 0.0)
        hump = np.minimum(hump, np.where(hump > 0, 2 - 2 * alphas, 0.0))
        outside = np.maximum(np.maximum(-alphas, alphas - 1), 0.0)
        train = 0.5 * hump + outside
        losses = {"train": train, "test": train + 0.25}
        accuracies = {"train": 1 - 0.2 * hump, "test": 0.9 - 0.2 * hump}
        barriers = {"train": 0.5, "test": 0.5}
    settings = {"loss": loss, "num_samples": 4000}
    return Interpolation(
        alphas=alphas,
        losses=losses,
        accuracies=accuracies or {},
        barriers=barriers or dict.fromkeys(losses, 0.0),
        path=path,
        distance=distance,
        moving_statistics="interpolated",
        num_evaluations=2 * len(alphas),
        seconds=1.0,
        objectives={name: dict(settings) for name in losses},
    )


def history(
    batch_size=32,
    seed=0,
    *,
    epochs=5,
    validation=True,
    accuracy=True,
    stop_reason="epochs",
):
    """Losses that halve at each epoch, from 1 while training."""
    losses = 0.5 ** np.arange(epochs)
    rows = []
    for loss in losses:
        row = {"loss": loss}
        if accuracy:
            row["accuracy"] = 1 - loss / 2
        if validation:
            row["val_loss"] = loss + 0.25
            if accuracy:
                row["val_accuracy"] = 0.9 - loss / 2
        rows.append(row)
    return TrainingHistory.from_rows(
        rows,
        batch_size=batch_size,
        seed=seed,
        optimizer={},
        loss_name="sparse_categorical_crossentropy",
        num_samples=4000,
        num_updates=10,
        stop_reason=stop_reason,
        total_seconds=1.0,
    )


def leaves(spec):
    """The unit views of a Vega-Lite specification, in order of drawing."""
    parts = [
        part
        for name in ("layer", "hconcat", "vconcat", "concat")
        for part in spec.get(name, [])
    ]
    # Altair hoists data that all parts share.
    shared = {"data": spec["data"]} if "data" in spec else {}
    return [leaf for part in parts for leaf in leaves({**shared, **part})] or [
        spec
    ]


def marks(spec, kind, style=None):
    """The unit views with this mark and, if given, this style."""
    return [
        leaf
        for leaf in leaves(spec)
        if leaf["mark"]["type"] == kind
        and (style is None or leaf["mark"].get("style") == style)
    ]


def rows(spec, leaf):
    """The rows that a unit view draws."""
    return spec["datasets"][leaf["data"]["name"]]


def subtitle(spec):
    """The subtitle as one line."""
    return " ".join(spec["title"].get("subtitle", []))
