"""Where no file can be written is found before the work, by every door."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import keras_sharpness as ks
from keras_sharpness.cli.main import main
from keras_sharpness.metrics import StoredProducts

X, Y = np.random.default_rng(0).standard_normal((2, 12, 3))
CLASSES = np.arange(12) % 3
QUIET = {"progress": False}
STEPS = []


class Counted(keras.callbacks.Callback):
    """Counts the updates of whatever is trained here."""

    def on_train_batch_end(self, batch, logs=None):
        STEPS.append(batch)


def model():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    made.compile("sgd", "mse")
    return made


def objective():
    return ks.Objective(model(), X, Y)


def fit(*callbacks):
    model().fit(X, Y, verbose=0, callbacks=[*callbacks, Counted()])


def train(checkpoint):
    options = {"batch_size": 4, "epochs": 1, "callbacks": [Counted()]}
    ks.train(model(), X, Y, checkpoint=checkpoint, **options, **QUIET)


def compare(out, **plan):
    data = ks.data.ClassificationData(
        name="noise",
        x_train=X,
        y_train=CLASSES,
        x_test=X,
        y_test=CLASSES,
        num_classes=3,
        source="made here",
    )
    ks.studies.compare(
        model,
        data,
        small_batch=2,
        large_batch=4,
        out=out,
        plan=ks.studies.MeasurementPlan(**{"subspace_dim": 2} | plan),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **QUIET,
    )


# Every argument that names a file or folder to be written.
DOORS = {
    "train": train,
    "compare": compare,
    "StoredProducts": lambda path: StoredProducts(objective(), path),
    "loss_surface": lambda path: ks.loss_surface(
        objective(), path=path, num_points=2, **QUIET
    ),
    "spectral_density": lambda path: ks.spectral_density(
        objective(), path=path, num_probes=1, num_steps=2, **QUIET
    ),
    "WeightTrajectory": lambda path: fit(ks.callbacks.WeightTrajectory(path)),
    "HessianEigenvalues": lambda path: fit(
        ks.callbacks.HessianEigenvalues(X, Y, log_dir=path)
    ),
    "SpectralDensity": lambda path: fit(
        ks.callbacks.SpectralDensity(X, Y, log_dir=path)
    ),
    "RunFolder": lambda path: ks.runs.RunFolder.create_or_open(path, {}),
    "StudyFolder": lambda path: ks.runs.StudyFolder.create_or_open(path, {}),
    "write_report": lambda path: ks.charts.write_report(
        path, title="T", sections=[ks.charts.Section(heading="H")]
    ),
    "save": lambda path: ks.spectral_density(
        objective(), num_probes=1, num_steps=2, **QUIET
    ).save(path),
}


def evaluated(monkeypatch):
    """Counts products and evaluations of every objective from here on."""
    calls = []
    for name in ("evaluate", "curvature_product"):
        original = getattr(ks.Objective, name)

        def counted(self, *args, original=original, **options):
            calls.append(original)
            return original(self, *args, **options)

        monkeypatch.setattr(ks.Objective, name, counted)
    return calls


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("place", ["file/a", "/proc/a", "/dev/null/a"])
def test_refused_before_the_work(door, place, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"kept")
    path = tmp_path / place
    STEPS.clear()
    calls = evaluated(monkeypatch)
    with pytest.raises(
        (OSError, ks.runs.RunFolderError), match=r"cannot be written|is a file"
    ) as caught:
        DOORS[door](path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert "[Errno" not in text
    assert not STEPS
    # `compare` has looked whether the data fit; `save` comes after the work.
    if door not in ("compare", "save"):
        assert not calls
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"kept"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    layers = [keras.Input((3,)), keras.layers.Dense(2)]
    made = keras.Sequential(layers)
    made.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    made.optimizer.build(made.trainable_variables)
    made.save(folder / "model.keras")
    labels = np.arange(12) % 2
    np.savez(
        folder / "data.npz", x_train=X, y_train=labels, x_test=X, y_test=labels
    )
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "/proc/a.json"], "/proc/a.json cannot be written"),
        (["--json", "."], "it is a folder"),
        (["--epsilon", "inf"], "`epsilons` must be a positive, finite"),
        (["--epsilon", "nan"], "`epsilons` must be a positive, finite"),
        (["--eigenvalues", "-1"], "`num_eigenvalues` must be an integer of at"),
        (
            ["--eigenvalues", "9"],
            "must be an integer of at most 8",
        ),
        (["--subspace-dim", "8"], "`subspace_dim` must be an integer from 1"),
        (["--subspace-dim", "-3"], "`subspace_dim` must be an integer of at"),
        (["--samples", "0"], "`num_samples` must be an integer of at least"),
        (["--measure-batch-size", "0"], "`batch_size` must be an integer"),
        (["--loss", "gibberish"], "`loss` must be a Keras loss"),
    ],
)
def test_measure_refuses_before_the_work(options, message, stored, monkeypatch):
    calls = evaluated(monkeypatch)
    if "--subspace-dim" not in options:
        options = [*options, "--subspace-dim", "2"]
    done = CliRunner().invoke(
        main,
        [
            "measure",
            str(stored / "model.keras"),
            "--dataset",
            str(stored / "data.npz"),
            *options,
        ],
    )
    assert done.exit_code == 1
    assert message in done.output
    assert done.output.count("\n") == 1
    assert not calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_norm": "gibberish"}, "`batch_norm` must be one of"),
        ({"maximizer": "gibberish"}, "`maximizer` must be one of"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"num_eigenvalues": 1.0}, "`num_eigenvalues` must be an integer"),
        ({"epsilons": (1e-3, 1.0000001e-3)}, "`epsilons` must be box sizes"),
    ],
)
def test_plans_refuse_what_cannot_be_measured(options, message):
    with pytest.raises(ValueError, match=message):
        ks.studies.MeasurementPlan(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"subspace_dim": 12},
            "`subspace_dim` must be an integer from 1 to 11",
        ),
        ({"num_eigenvalues": 13, "subspace_dim": None}, "at most 12"),
    ],
)
def test_studies_refuse_plans_that_do_not_fit_the_model(
    options, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        compare(tmp_path / "study", **options)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ((X[:, :2], Y), r"`validation x` does not fit.*\(12, 2\).*\(12, 3\)"),
        (((X, X), Y), "`validation x` must be nested as `x`"),
        ((X, Y[:5]), "same number of samples"),
        ((X, Y[:, :2]), "`validation y` must have the outputs' shape"),
        ((np.ma.array(X, mask=X > 1), Y), "`validation x` has masked"),
        ((X, Y, np.zeros(12)), "`validation sample_weight` must have a pos"),
        ((X, np.where(Y > 1, np.nan, Y)), "`validation y` must be finite"),
    ],
)
def test_validation_data_that_do_not_fit(validation, message):
    for loss in ("mse", lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1)):
        made = model()
        before = made.get_weights()
        shape = "`validation y` does not fit the loss"
        expected = message
        if callable(loss) and "outputs' shape" in message:
            expected = shape
        with pytest.raises(ValueError, match=expected):
            ks.train(
                made,
                X,
                Y,
                batch_size=4,
                epochs=1,
                loss=loss,
                validation_data=validation,
                **QUIET,
            )
        assert made.loss == "mse"
        for old, new in zip(before, made.get_weights(), strict=True):
            assert np.array_equal(old, new)
