"""What is passed wrongly is refused at once, in words of this package.

The walk calls every public name with wrong values for each of its arguments
in turn. An argument that `WRONG` does not know fails the test: say there what
is wrong for it.
"""

import dataclasses
import functools
import inspect
import pathlib
import re
import tempfile
import traceback

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness import arguments

PACKAGE = str(pathlib.Path(ks.__file__).parent)
OTHER = object()
OBJECTS = np.array([None, "a"], dtype=object)
MASKED = np.ma.array([1.0, 2.0, 3.0, 4.0], mask=[0, 0, 0, 1])

NUMBER = [
    True,
    "gibberish",
    [],
    [1.0, 2.0],
    1j,
    np.nan,
    np.inf,
    np.ma.masked,
    OTHER,
]
POSITIVE = [*NUMBER, -1.0, 0.0]
NOT_NEGATIVE = [*NUMBER, -1.0]
# Where at least 1 is wanted, and where 0 is allowed.
COUNT = [*NUMBER, 2.5, 2.0, -1, 0]
SEED = [*NUMBER, 2.5, -1]
BOOLEAN = [1, 0.0, "gibberish", [], np.array([True, False]), OTHER]
CHOICE = [True, 2.5, "gibberish", [], 1j, OBJECTS, np.ones(3), OTHER]
TEXT = [True, 2.5, [], 1j, b"x", OBJECTS, OTHER]
PATH = [*TEXT, "", "a\0b"]
FUNCTION = [True, 2.5, "gibberish", [], OTHER]
PROGRESS = [1, 2.5, "gibberish", [], OTHER]
OBJECT = [None, True, 2.5, "gibberish", [], {}, OBJECTS, OTHER]
# Of the model's weights, P = 8.
VECTOR = [
    True,
    "gibberish",
    2.5,
    [],
    np.ones(3),
    np.ones(8) * 1j,
    np.full(8, np.nan),
    np.array(["a"] * 8),
    np.array([None] * 8),
    np.ma.array(np.ones(8), mask=[1] + [0] * 7),
    OTHER,
]
GRID = [
    True,
    "gibberish",
    2.5,
    [],
    [[1.0, 2.0]],
    [1.0, np.nan],
    [0.0, 1j],
    MASKED,
    OBJECTS,
    OTHER,
]
# Of 12 samples.
SAMPLES = [
    True,
    "gibberish",
    2.5,
    [],
    np.ones((12, 3)) * 1j,
    np.ma.array(np.ones((12, 3)), mask=np.eye(12, 3)),
    np.array([[OTHER] * 3] * 12),
    np.ones((5, 3)),
    OTHER,
]
WEIGHTS = [
    True,
    "gibberish",
    2.5,
    [],
    np.ones(12) * 1j,
    np.ma.array(np.ones(12), mask=np.arange(12) == 3),
    np.zeros(12),
    np.r_[-20.0, np.ones(11)],
    np.r_[np.nan, np.ones(11)],
    np.r_[np.inf, np.ones(11)],
    np.array([None] * 12),
    np.ones(5),
    OTHER,
]
CLASS_WEIGHT = [
    True,
    [1.0],
    {"a": 1.0},
    {0.5: 1.0},
    {0: "x"},
    {0: np.nan},
    {0: 1j},
    {0: 0.0, 1: 0.0},
]
NESTED = [2.5, [], OTHER]
MAPPING = [True, 2.5, "gibberish", [1], OBJECTS, OTHER]
MEASURES = [True, 2.5, "gibberish", ["gibberish"], {"gibberish": {}}, OTHER]

# By the name of an argument, or of a function and an argument.
WRONG = {
    "adaptive": BOOLEAN,
    "alphas": GRID,
    "alt_text": TEXT,
    "augmentation": [True, 2.5, "gibberish", [], [OTHER], OTHER],
    "axis": CHOICE,
    "base_batch_size": COUNT,
    "basis_dtype": CHOICE,
    "batch_norm": CHOICE,
    "batch_size": COUNT,
    "batch_sizes": [None, True, 2.5, [], {}, {1: 0}, {1.5: 8}, {3: 8}, OTHER],
    "bend": VECTOR,
    "betas": GRID,
    "block_size": COUNT,
    "build_model": [*FUNCTION, None],
    "bundle": OBJECT,
    "calibration": OBJECT[1:],
    "callbacks": [True, 2.5, "gibberish", OTHER, [OTHER]],
    "caption": TEXT,
    "center": VECTOR,
    "chart": OBJECT,
    "check_repeatability": BOOLEAN,
    "checkpoint": PATH,
    "checkpoint_seconds": NOT_NEGATIVE,
    "class_weight": CLASS_WEIGHT,
    "clip": [True, 2.5, "gibberish", [], (1.0,), (2.0, 1.0), OTHER],
    "color": [*TEXT, "gibberish"],
    "compile": BOOLEAN,
    "connection": OBJECT,
    "curve": CHOICE,
    "custom_objects": [True, 2.5, "gibberish", [], OTHER],
    "data": OBJECT,
    "data_dir": PATH,
    "density": OBJECT,
    "deviation": NOT_NEGATIVE,
    "domain": [
        True,
        "gibberish",
        [1.0],
        [2.0, 1.0],
        [0.0, np.inf],
        [0.0, 1j],
        OTHER,
    ],
    "download": BOOLEAN,
    "eigenvectors": BOOLEAN,
    "end": VECTOR,
    "end_name": TEXT,
    "epochs": COUNT,
    "epsilon": POSITIVE,
    "factor": [True, "gibberish", 1.0, 0.5, np.nan, [], OTHER],
    "fall": [True, "gibberish", 1.0, 0.5, np.nan, [], OTHER],
    "initial": COUNT,
    "learning_rate_scaling": CHOICE,
    "most": [*COUNT, 3],
    "stop_loss": [True, "gibberish", np.nan, [], OTHER],
    "theta": [*POSITIVE, 1.5],
    "warmup_epochs": SEED,
    "eta": NOT_NEGATIVE,
    "every": [*NUMBER[:6], OTHER, -1.0],
    "folder": PATH,
    "footer": TEXT,
    "frame": OBJECT,
    "frequency": COUNT,
    "grid_size": COUNT,
    "heading": TEXT,
    "histories": OBJECT,
    "ignore": CHOICE,
    "initial_vectors": [*VECTOR, np.zeros((8, 1))],
    "input_shape": [
        True,
        2.5,
        "gibberish",
        [],
        [2.5],
        [0],
        [True],
        [None],
        OTHER,
    ],
    "interpolation": OBJECT,
    "jit_compile": [1, 2.5, "gibberish", [], OTHER],
    "k": COUNT,
    "keep_activations": BOOLEAN,
    "kernel_width": POSITIVE,
    "large_batch": [*COUNT, 10**6],
    "layers": [2.5, "gibberish", OTHER],
    "learning_rate": POSITIVE,
    "levels": [True, "gibberish", [[1.0]], [np.nan], [1j], OTHER],
    "limits": [True, 2.5, "gibberish", OTHER],
    "log": BOOLEAN,
    "log_density": BOOLEAN,
    "log_dir": PATH,
    "log_loss": BOOLEAN,
    "loss": NESTED,
    "loss_fn": FUNCTION,
    "max_checkpoints": COUNT,
    "max_evaluations": COUNT,
    "max_iterations": COUNT,
    "max_memory": COUNT,
    "max_products": COUNT,
    "max_samples": COUNT,
    "max_seconds": POSITIVE,
    "max_share": POSITIVE,
    "maximizer": CHOICE,
    "micro_batch_size": [*COUNT, 10**6],
    "measure": [*FUNCTION, None],
    "method": CHOICE,
    "min_delta": NOT_NEGATIVE,
    "minibatches": [True, 2.5, [], [OTHER], OTHER],
    "mode": CHOICE,
    "model": OBJECT,
    "name": TEXT,
    "names": [True, 2.5, "gibberish", [1], OTHER],
    "normalization": CHOICE,
    "num_classes": [*COUNT, 1],
    "num_directions": COUNT,
    "num_eigenvalues": SEED,
    "num_gradients": SEED,
    "num_levels": SEED,
    "num_points": [*NUMBER, 2.5, 1, -1],
    "num_probes": COUNT,
    "num_replicates": COUNT,
    "num_samples": COUNT,
    "num_starts": COUNT,
    "num_steps": COUNT,
    "num_test": COUNT,
    "num_train": COUNT,
    "num_vectors": COUNT,
    "objective": OBJECT,
    "operator": OBJECT,
    "optimizer": [2.5, "gibberish", [], OTHER],
    "out": PATH,
    "overwrite": BOOLEAN,
    "paragraphs": [True, 2.5, [1], OTHER],
    "path": PATH,
    "patience": COUNT,
    "plan": OBJECT[1:],
    "plane": OBJECT[1:],
    "points": [*OBJECT, np.ones(8)],
    "progress": PROGRESS,
    "proximal": NOT_NEGATIVE,
    "reference": TEXT,
    "regularization": BOOLEAN,
    "relative_error": POSITIVE,
    "restart": BOOLEAN,
    "rho": NOT_NEGATIVE,
    "root": PATH,
    "rows": OBJECT,
    "sample_weight": WEIGHTS,
    "scale_factor": POSITIVE,
    "sections": [None, True, 2.5, "gibberish", [], [OTHER], OTHER],
    "seed": SEED,
    "seeds": [*COUNT, [0, 0], [-1], [2.5]],
    "share": [*POSITIVE, 1.5],
    "show": BOOLEAN,
    "small_batch": [*COUNT, 10**6],
    "start": VECTOR,
    "start_epoch": COUNT,
    "start_name": TEXT,
    "state": [True, 2.5, "gibberish", OTHER, [np.ones(3)]],
    "source": [None, True, 2.5, "", [], OTHER],
    "first": OBJECT,
    "second": OBJECT,
    "x_shape": [None, True, 2.5, "gibberish", [[3]], [np.nan], [1j], OTHER],
    "x_values": OBJECT[1:],
    "steps": [True, "gibberish", [1.0], MASKED, OBJECTS, OTHER],
    "stop": FUNCTION,
    "subspace": VECTOR,
    "subspace_dim": [*COUNT, 8],
    "subspace_scaling": CHOICE,
    "subtitle": TEXT,
    "surface": OBJECT,
    "table": OBJECT[1:],
    "table_caption": TEXT,
    "test_split": [*TEXT, "gibberish"],
    "title": TEXT,
    "tolerance": POSITIVE,
    "miss_probability": [True, "gibberish", 0.0, 1.5, np.nan, [], OTHER],
    "total": SEED,
    "train_split": [*TEXT, "gibberish"],
    "trajectory": OBJECT[1:],
    "x_test": SAMPLES,
    "x_train": SAMPLES,
    "y_test": SAMPLES,
    "y_train": SAMPLES,
    "dtype": [2.5, "gibberish", OTHER],
    "validation_data": [True, 2.5, "gibberish", [], (1,), OTHER],
    "value": CHOICE,
    "variables": [2.5, "gibberish", OTHER],
    "version": [*TEXT, ""],
    "w": VECTOR,
    "weight": NOT_NEGATIVE,
    "which": CHOICE,
    "x": SAMPLES,
    "y": SAMPLES,
}
WRONG |= dict.fromkeys(
    (field.name for field in dataclasses.fields(ks.saving.Limits)), COUNT
)
# What only one of the names takes so: another meaning, or None as well.
OWN = {
    ("ClassificationData", "class_names"): [
        True,
        2.5,
        "gibberish",
        OTHER,
        ("one",),
    ],
    ("ClassificationData", "licence"): TEXT,
    ("SampleData", "licence"): TEXT,
    ("SampleData", "x_test"): SAMPLES[:-2],
    ("SampleData", "x_train"): SAMPLES[:-2],
    ("SampleData", "name"): [*TEXT, ""],
    ("SampleData", "source"): [*TEXT, ""],
    ("ClassificationData", "x_test"): SAMPLES[:-2],
    ("ClassificationData", "x_train"): SAMPLES[:-2],
    ("ClassificationData", "name"): [*TEXT, ""],
    ("ClassificationData", "source"): [*TEXT, ""],
    ("MeasurementPlan", "epsilons"): [2.5, (), (-1.0,), (1e-3, 1e-3), (1j,)],
    ("MeasurementPlan", "measures"): MEASURES,
    ("MeasurementPlan", "subspace_dim"): COUNT,
    ("Member", "labels"): [*MAPPING, {1: 2}, {"a": []}],
    ("Member", "name"): [*TEXT, "", "a/b"],
    ("Member", "start"): TEXT,
    ("Member", "training"): [*MAPPING, {"gibberish": 1}],
    ("Study", "kind"): TEXT,
    ("Study", "members"): OBJECT,
    ("Study", "name"): TEXT,
    ("Study", "recipe"): MAPPING,
    ("Study", "training"): [*MAPPING, {"gibberish": 1}],
    ("batch_size_sweep", "batch_sizes"): [*OBJECT, [2.5], [13], [2, 2]],
    ("batch_size_sweep", "executor"): CHOICE,
    ("batch_size_sweep", "gpus"): NOT_NEGATIVE,
    ("batch_size_sweep", "name"): TEXT,
    ("batch_size_sweep", "ray_address"): [*TEXT, "gibberish"],
    ("batch_size_sweep", "threads"): COUNT,
    ("batch_size_sweep", "training"): [*MAPPING, {"gibberish": 1}],
    ("batch_size_sweep", "workers"): COUNT,
    ("warm_start", "name"): TEXT,
    ("warm_start", "run"): [],
    ("warm_start", "small_epochs"): [*OBJECT, [2.5], [-1], [2, 2], []],
    ("warm_start", "training"): [*MAPPING, {"gibberish": 1}],
    ("growing_batch", "name"): TEXT,
    ("growing_batch", "run"): [],
    ("growing_batch", "schedules"): [*OBJECT, {"a": 2}, {"a": 2, "b": 13}],
    ("growing_batch", "training"): [*MAPPING, {"gibberish": 1}],
    ("remedies", "batch_sizes"): [*OBJECT, [2.5], [13], [2, 2], []],
    ("remedies", "name"): TEXT,
    ("remedies", "remedies"): [*OBJECT, {}, {"a": 1}, {"a": {"gibberish": 1}}],
    ("remedies", "run"): [],
    ("remedies", "training"): [*MAPPING, {"gibberish": 1}],
    ("group_chart", "group"): [*TEXT, "gibberish"],
    ("group_chart", "groups"): [True, 2.5, "gibberish", [], [1], OTHER],
    ("group_chart", "quantities"): [*MAPPING, {"gibberish": "a"}, {}],
    ("batch_size_chart", "quantities"): [*MAPPING, {"gibberish": "a"}, {}],
    ("batch_size_chart", "x"): [*TEXT, "gibberish"],
    ("batch_size_chart", "x_title"): TEXT,
    ("EpsilonSharpness", "subspace_dim"): COUNT,
    ("Section", "chart"): OBJECT[1:],
    ("Adversarial", "epsilon"): NOT_NEGATIVE,
    ("Adversarial", "weight"): [*NOT_NEGATIVE, 1.5],
    # Of any number of samples, as no batch is known yet.
    ("SharpnessAware", "micro_batch_size"): COUNT,
    # Looked at when the training ends, or of any number of samples.
    ("StochasticWeightAveraging", "x"): [],
    ("update_batch_norm", "x"): SAMPLES[:-2],
    ("interpolate", "path"): CHOICE,
    ("inspect_model", "name"): TEXT,
    ("surface_chart", "data"): [True, 2.5, "gibberish", OTHER],
    ("bundle_chart", "data"): [True, 2.5, "gibberish", OTHER],
    ("get", "name"): [None, *CHOICE],
    ("eigenvalue_chart", "title"): TEXT,
    ("relative_chart", "groups"): [],
    ("relative_chart", "highlighted"): [],
    ("epochs_chart", "groups"): [],
    ("epochs_chart", "quantity"): TEXT,
    ("sharpness_chart", "x"): [*TEXT, "gibberish"],
    ("sharpness_chart", "y"): [*TEXT, "gibberish"],
    ("load", "name"): [None, True, 2.5, [], OTHER],
    ("train", "batch_size"): [*COUNT, 13],
    ("train", "progress"): PROGRESS,
    ("open", "settings"): [True, 2.5, "gibberish", [], OTHER, {"a": OTHER}],
    ("create_or_open", "settings"): [
        True,
        2.5,
        "gibberish",
        [],
        OTHER,
        {"a": OTHER},
    ],
    ("take", "seed"): SEED,
    ("data_mismatch", "num_classes"): COUNT,
    ("load_model", "name"): TEXT,
    ("Target", "start"): VECTOR,
    ("plane_through", "names"): [
        True,
        "gibberish",
        ["a", "b"],
        [1, 2, 3],
        OTHER,
    ],
    ("project_trajectory", "plane"): OBJECT,
    ("connect_minima", "num_steps"): SEED,
    ("estimate_cost", "num_points"): SEED,
}


def small_model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((3,)), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def normalized():
    layers = [keras.Input((3,)), keras.layers.BatchNormalization()]
    return keras.Sequential(layers)


X, Y = np.random.default_rng(0).standard_normal((2, 12, 3))
Y = Y[:, :2]


@functools.cache
def objective():
    return ks.Objective(small_model(), X, Y)


@functools.cache
def data():
    labels = np.arange(12) % 2
    return ks.data.ClassificationData(
        name="noise",
        x_train=X,
        y_train=labels,
        x_test=X,
        y_test=labels,
        num_classes=2,
        source="made here",
    )


@functools.cache
def results():
    """One of each result that is drawn."""
    f, other = objective(), small_model()
    other.set_weights([w + 1.0 for w in other.get_weights()])
    quiet = {"progress": False}
    plane = ks.landscape.random_plane(f)
    surface = ks.loss_surface(f, plane, num_points=3, **quiet)
    steps = [f.weights, f.weights + 0.1]
    return {
        "plane": plane,
        "surface": surface,
        "trajectory": ks.landscape.project_trajectory(
            f, plane, steps, progress=False
        ),
        "interpolation": ks.interpolate(
            f, f.model, other, alphas=[0.0, 1.0], **quiet
        ),
        "connection": ks.connect_minima(
            f, f.model, other, num_steps=1, num_points=3, **quiet
        ),
        "bundle": ks.direction_bundle(
            f, num_directions=1, alphas=[-1.0, 0.0, 1.0], **quiet
        ),
        "density": ks.spectral_density(f, num_probes=1, num_steps=4, **quiet),
        "histories": {
            "a": ks.train(
                small_model(), X, Y, batch_size=4, epochs=1, progress=False
            )
        },
        "frame": pd.DataFrame(
            {
                "sharpness": [1.0, 2.0],
                "test_accuracy": [0.5, 0.6],
                "batch": ["small", "large"],
                "eigenvalue": [1.0, 2.0],
            }
        ),
    }


def chart():
    return ks.charts.density_chart(results()["density"])


def pair():
    start = objective().weights
    return {"start": start, "end": start + 1.0}


@functools.cache
def model_file():
    """The content of a file of a small model, and what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "small.keras")
        small_model().save(path)
        content = path.read_bytes()
    return content, ks.saving.inspect_model(content)


def drawn(name):
    return lambda _: {name: results()[name]}


def measured(**options):
    return lambda _: {"objective": objective(), **options}


QUIET = {"progress": False}
STUDY = {
    "seeds": 1,
    "plan": ks.studies.MeasurementPlan(subspace_dim=2),
    "training": {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    },
    **QUIET,
}
LANDSCAPE, CHARTS, METRICS = ks.landscape, ks.charts, ks.metrics
SAVING, TRAINING = ks.saving, ks.training
# Every public name with arguments that are right; the folder is a new one.
CALLS = {
    ks.Objective: lambda _: {"model": small_model(), "x": X, "y": Y},
    ks.check: measured(**QUIET),
    ks.epsilon_sharpness: measured(**QUIET),
    ks.hessian_diagonal: measured(num_probes=2, **QUIET),
    ks.hessian_eigenvalues: measured(**QUIET),
    ks.hessian_frobenius_norm: measured(num_probes=2, **QUIET),
    ks.hessian_trace: measured(num_probes=2, **QUIET),
    ks.sampling_error: measured(
        measure=lambda f: f.value(), num_replicates=2, **QUIET
    ),
    ks.spectral_density: measured(num_probes=1, num_steps=2, **QUIET),
    METRICS.HessianOperator: measured(),
    METRICS.GaussNewtonOperator: measured(),
    METRICS.FisherOperator: measured(),
    METRICS.EmpiricalFisherOperator: measured(),
    METRICS.StoredProducts: lambda folder: {
        "operator": objective(),
        "folder": folder / "products",
    },
    ks.interpolate: lambda _: {"objective": objective(), **pair(), **QUIET},
    ks.connect_minima: lambda _: {
        "objective": objective(),
        **pair(),
        "num_steps": 1,
        "num_points": 3,
        **QUIET,
    },
    ks.direction_bundle: measured(num_directions=1, alphas=[0.0, 1.0], **QUIET),
    ks.loss_surface: measured(num_points=2, **QUIET),
    LANDSCAPE.surface_stages: measured(num_points=2, **QUIET),
    LANDSCAPE.estimate_cost: measured(num_points=2),
    LANDSCAPE.random_directions: measured(),
    LANDSCAPE.random_plane: measured(),
    LANDSCAPE.hessian_plane: measured(**QUIET),
    LANDSCAPE.plane_through: lambda _: {
        "objective": objective(),
        "points": [np.zeros(8), np.ones(8), np.arange(8.0)],
    },
    LANDSCAPE.trajectory_plane: lambda _: {
        "objective": objective(),
        "points": [np.zeros(8), np.ones(8), np.arange(8.0)],
    },
    LANDSCAPE.project_trajectory: lambda _: {
        "objective": objective(),
        "plane": results()["plane"],
        "points": [np.zeros(8), np.ones(8)],
        **QUIET,
    },
    ks.train: lambda folder: {
        "model": small_model(),
        "x": X,
        "y": Y,
        "batch_size": 4,
        "epochs": 1,
        **QUIET,
    },
    ks.training.GrowAt: lambda _: {"batch_sizes": {1: 128}},
    ks.training.GrowEvery: lambda _: {},
    ks.training.GrowByCurvature: lambda _: {},
    ks.training.GrowByVariance: lambda _: {},
    TRAINING.Adversarial: lambda _: {"epsilon": 0.1},
    TRAINING.Conservative: lambda _: {},
    TRAINING.SharpnessAware: lambda _: {},
    TRAINING.SharpnessAwareModel: lambda _: {"model": small_model()},
    TRAINING.Stability: lambda _: {},
    TRAINING.StochasticWeightAveraging: lambda _: {"start_epoch": 1},
    TRAINING.update_batch_norm: lambda _: {"model": normalized(), "x": X},
    ks.studies.MeasurementPlan: lambda _: {},
    ks.studies.Member: lambda _: {"seed": 0, "batch_size": 4},
    ks.studies.Study: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "members": [ks.studies.Member(seed=0, batch_size=4)],
        "out": folder / "study",
        "plan": ks.studies.MeasurementPlan(subspace_dim=2),
        "training": {
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        },
    },
    ks.studies.batch_size_sweep: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "batch_sizes": [2, 4],
        "seeds": 1,
        "out": folder / "study",
        "plan": ks.studies.MeasurementPlan(subspace_dim=2),
        "training": {
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        },
        **QUIET,
    },
    ks.studies.warm_start: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "small_batch": 2,
        "large_batch": 4,
        "small_epochs": [0, 1],
        **STUDY,
        "out": folder / "study",
    },
    ks.studies.growing_batch: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "schedules": {"small": 2, "large": 4},
        **STUDY,
        "out": folder / "study",
    },
    ks.studies.remedies: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "batch_sizes": [2],
        "remedies": {"SAM": {"method": ks.training.SharpnessAware()}},
        **STUDY,
        "out": folder / "study",
    },
    ks.studies.Target: lambda _: {
        "model": small_model(),
        "data": data(),
        "plan": ks.studies.MeasurementPlan(subspace_dim=2),
        "loss": "sparse_categorical_crossentropy",
    },
    ks.studies.StudyProgress: lambda _: {"total": 1},
    ks.studies.compare: lambda folder: {
        "build_model": small_model,
        "data": data(),
        "small_batch": 2,
        "large_batch": 4,
        "epochs": 1,
        "seeds": 1,
        "out": folder / "study",
        "plan": ks.studies.MeasurementPlan(subspace_dim=2),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **QUIET,
    },
    ks.callbacks.EdgeOfStability: lambda _: {"x": X, "y": Y},
    ks.callbacks.EpsilonSharpness: lambda _: {"x": X, "y": Y},
    ks.callbacks.HessianEigenvalues: lambda _: {"x": X, "y": Y},
    ks.callbacks.HessianTrace: lambda _: {"x": X, "y": Y},
    ks.callbacks.SpectralDensity: lambda _: {"x": X, "y": Y},
    ks.callbacks.WeightTrajectory: lambda folder: {"folder": folder / "w"},
    ks.callbacks.SavedTrajectory: lambda folder: {"folder": folder / "w"},
    ks.data.ClassificationData: lambda _: dict(vars(data())),
    ks.data.SampleData: lambda _: {
        name: value
        for name, value in vars(data()).items()
        if name not in ("num_classes", "class_names")
    },
    ks.data.ClassificationData.take: lambda _: {"self": data()},
    ks.data.load: lambda _: {"name": "mnist_5k"},
    ks.data.load_npz: lambda folder: {"path": folder / "a.npz"},
    ks.models.F1: lambda _: {},
    ks.models.C1: lambda _: {},
    ks.models.get: lambda _: {"name": "F1"},
    ks.runs.RunFolder.create_or_open: lambda folder: {
        "path": folder / "run",
        "settings": {},
    },
    ks.runs.RunFolder.open: lambda folder: {"path": folder / "run"},
    ks.runs.StudyFolder.create_or_open: lambda folder: {
        "path": folder / "study",
        "settings": {},
    },
    ks.runs.StudyFolder.open: lambda folder: {"path": folder / "study"},
    ks.runs.find_studies: lambda folder: {"root": folder},
    SAVING.Limits: lambda _: {},
    SAVING.keras_version_problem: lambda _: {},
    SAVING.inspect_model: lambda _: {"source": model_file()[0]},
    SAVING.load_model: lambda _: {"source": model_file()[0]},
    SAVING.load_weights: lambda folder: {
        "model": small_model(),
        "path": folder / "small.weights.h5",
    },
    SAVING.data_mismatch: lambda _: {
        "model": model_file()[1],
        "x_shape": (12, 3),
    },
    SAVING.architecture_mismatch: lambda _: {
        "first": model_file()[1],
        "second": model_file()[1],
    },
    CHARTS.Section: lambda _: {"heading": "Heading"},
    CHARTS.batch_size_chart: lambda _: {
        "frame": pd.DataFrame(
            {"seed": [0], "batch_size": [8], "eigenvalue_1": [1.0]}
        ),
        "quantities": {"eigenvalue_1": "Eigenvalue"},
    },
    CHARTS.group_chart: lambda _: {
        "frame": pd.DataFrame(
            {"seed": [0], "group": ["a"], "eigenvalue_1": [1.0]}
        ),
        "quantities": {"eigenvalue_1": "Eigenvalue"},
        "groups": ["a"],
    },
    CHARTS.bundle_chart: drawn("bundle"),
    CHARTS.chart_config: lambda _: {},
    CHARTS.connection_chart: drawn("connection"),
    CHARTS.density_chart: drawn("density"),
    CHARTS.eigenvalue_chart: drawn("frame"),
    CHARTS.epochs_chart: lambda _: {
        "rows": pd.DataFrame(
            {"run": ["a"], "group": ["a"], "epoch": [1], "value": [1.0]}
        ),
        "quantity": "loss",
        "groups": ["a"],
    },
    CHARTS.interpolation_chart: drawn("interpolation"),
    CHARTS.relative_chart: lambda _: {
        "rows": pd.DataFrame(
            {
                "minimum": ["a", "b"],
                "quantity": ["loss", "loss"],
                "group": ["a", "b"],
                "value": [1.0, 2.0],
                "ratio": [1.0, 2.0],
            }
        ),
        "reference": "a",
        "groups": ["a", "b"],
    },
    CHARTS.report_html: lambda _: {
        "title": "Title",
        "sections": [CHARTS.Section(heading="Heading")],
    },
    CHARTS.sharpness_chart: drawn("frame"),
    CHARTS.surface_chart: drawn("surface"),
    CHARTS.themed: lambda _: {"chart": chart()},
    CHARTS.to_csv: lambda _: {"rows": results()["frame"]},
    CHARTS.to_png: lambda _: {"chart": chart()},
    CHARTS.to_svg: lambda _: {"chart": chart()},
    CHARTS.training_chart: drawn("histories"),
    CHARTS.write_report: lambda folder: {
        "path": folder / "report.html",
        "title": "Title",
        "sections": [CHARTS.Section(heading="Heading")],
    },
}
# Public names without arguments of their own to check: results, errors, and
# models that share the base of those above.
OTHERS = {
    *("CheckpointError", "RunFolderError", "TrainingDivergedError"),
    *("Check", "CheckRow", "Diagonal", "Eigenvalues", "FrobeniusNorm"),
    *("SamplingError", "Trace", "TrainingHistory", "Comparison", "Evaluation"),
    *("BatchSizeSweep", "GroupComparison", "StudyResult"),
    *("Connection", "Cost", "DirectionBundle", "Interpolation", "LossSurface"),
    *("Plane", "ProjectedTrajectory", "RunFolder", "StudyFolder"),
    *("F2", "C2", "C3", "C4", "S1", "NAMES", "RUN_FORMAT", "__version__"),
    *("callbacks", "charts", "data", "landscape", "metrics", "models", "runs"),
    *("saving", "studies", "training"),
    *("KerasSharpnessError", "ModelFileError", "UnsafeModelError"),
    *("LayerDescription", "ModelDescription"),
    "inspect_model_file",
}
# The keywords of callbacks that stand in a `TypedDict`.
SHARED = ("frequency", "max_seconds", "max_share")


def wrong_for(call, name):
    own = (call.__name__, name)
    if own in OWN:
        return OWN[own]
    assert name in WRONG, f"{call.__name__}({name}=…): say what is wrong for it"
    return WRONG[name]


def parameters_of(call):
    return inspect.signature(call).parameters


def names_of(call):
    names = [
        name
        for name in parameters_of(call)
        if name not in ("self", "options", "kwargs")
    ]
    if "options" in parameters_of(call):
        # Data are refused when the training begins.
        names = [n for n in names if n not in ("x", "y")] + list(SHARED)
    return names


def fault_of(call, name, value, folder):
    """What is wrong with the answer to a wrong value, or None."""
    options = CALLS[call](folder) | {name: value}
    try:
        found = call(**options)
        if inspect.isgenerator(found):
            list(found)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        kind = type(error).__name__
        if not frames[-1].filename.startswith(PACKAGE):
            return f"ends in {kind}: {str(error)[:90]}"
        if not re.search(rf"\b{name}\b|gibberish", str(error)):
            return f"is not named in {kind}: {str(error)[:90]}"
        return None
    return "is accepted"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__qualname__)
def test_wrong_values_are_refused(call, tmp_path):
    faults = [
        f"{name}={arguments.shown(value)} {fault}"
        for name in names_of(call)
        for value in wrong_for(call, name)
        if (fault := fault_of(call, name, value, tmp_path))
    ]
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults)
    assert not any(tmp_path.iterdir()), "the work had begun"


def test_every_public_name_is_walked():
    called = {call.__name__ for call in CALLS}
    for module in (
        ks,
        ks.callbacks,
        ks.charts,
        ks.data,
        ks.landscape,
        ks.metrics,
        ks.models,
        ks.runs,
        ks.saving,
        ks.studies,
        ks.training,
    ):
        for name in module.__all__:
            assert name in called | OTHERS, f"{module.__name__}.{name}"


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_integers(value):
    found = arguments.integer("k", value, least=3, most=3)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize("value", [2, 4, 3.0, "3", None, True, np.True_, [3]])
def test_no_integers(value):
    message = re.escape(
        "`k` must be an integer from 3 to 3. Received: "
        f"k={arguments.shown(value)}. Pass e.g. `k=3`."
    )
    with pytest.raises(ValueError, match=message):
        arguments.integer("k", value, least=3, most=3)


@pytest.mark.parametrize(
    "value", [1, 0.5, np.float32(0.5), np.float16(0.5), np.array(0.5)]
)
def test_real_numbers(value):
    found = arguments.real("tolerance", value, above=0.0, most=1.0)
    assert type(found) is float
    assert found == float(value)


def test_numbers_beyond_float_are_not_finite():
    with pytest.raises(ValueError, match="must be a finite number"):
        arguments.real("tolerance", 10**400)


def test_what_is_left_out_stays_out():
    for check in (arguments.integer, arguments.real, arguments.text):
        assert check("name", None, optional=True) is None
    assert arguments.one_of("name", None, ("a",), optional=True) is None


def test_errors_are_short_and_on_one_line():
    class Long:
        def __repr__(self):
            return "a\n" * 1000

    class Broken:
        def __repr__(self):
            raise RuntimeError

    for value in (Long(), Broken(), np.ones(1000), list(range(1000))):
        with pytest.raises(ValueError, match="must be an integer") as caught:
            arguments.integer("k", value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


def test_arrays_are_converted_only_where_they_must_be():
    vector = np.ones(3)
    assert arguments.array("w", vector, shape=(3,)) is vector
    assert arguments.array("w", [1, 2, 3]).dtype == np.float64
    # A mask that hides nothing loses nothing.
    assert arguments.array("w", np.ma.array([1.0])).tolist() == [1.0]
    with pytest.raises(ValueError, match=r"`w` must have shape \(2, …\)"):
        arguments.array("w", vector, shape=(2, None))


class Sequence(keras.utils.PyDataset):
    def __init__(self, *batch):
        super().__init__()
        self.batch = batch

    num_batches = 2

    def __getitem__(self, index):
        return self.batch


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((np.ma.array(X, mask=X > 1), Y), "`x` has masked entries"),
        ((X, np.ma.array(Y, mask=Y > 1)), "`y` has masked entries"),
        ((X + 0j, Y), "`x` must be real"),
        ((X, Y + 0j), "`y` must be real"),
        ((X, Y, np.ones(12) + 0j), "`sample_weight` must be real"),
        ((X, Y, np.zeros(12)), "`sample_weight` must have a positive sum"),
        ((X, Y, np.full(12, -1.0)), "`sample_weight` must have a positive sum"),
        ((X, Y, np.full(12, np.nan)), "`sample_weight` holds NaN"),
    ],
)
def test_data_sets_of_batches_are_looked_at(batch, message):
    with pytest.raises(ValueError, match=message):
        ks.Objective(small_model(), Sequence(*batch))
    # What TensorFlow keeps in its tensors: it drops masks itself.
    if "masked" not in message:
        dataset = tf.data.Dataset.from_tensor_slices(batch).batch(6)
        with pytest.raises(ValueError, match=message):
            ks.Objective(small_model(), dataset)


def test_weights_may_be_zero_for_some_samples_and_batches():
    """The mean over all samples of sᵢ ℓᵢ, by hand; also in `check`."""
    model = small_model()
    weights = np.r_[np.zeros(6), np.ones(6)]
    predicted = X @ model.weights[0].numpy() + model.weights[1].numpy()
    expected = np.mean(weights * np.mean((predicted - Y) ** 2, axis=1))
    objective = ks.Objective(
        model, X, Y, sample_weight=weights, batch_size=3, loss="mse"
    )
    # Twelve terms in float32.
    assert np.isclose(objective.value(), expected, rtol=1e-6)
    # The first samples that `check` compares with differences count nothing.
    found = ks.check(objective, max_samples=3, progress=False)
    assert found.row("product").verdict == "ok"
    assert found.row("product").value > 0.0


@pytest.mark.parametrize(
    "kind", [call for call in CALLS if "options" in parameters_of(call)]
)
def test_callbacks_refuse_data_before_the_first_step(kind):
    for options in (
        {"x": np.ma.array(X, mask=X > 1), "y": Y},
        {"x": X, "y": Y[:5]},
        {"x": X, "y": Y, "sample_weight": np.zeros(12)},
        {"x": X, "y": Y, "batch_norm": "gibberish"},
        {"x": X, "y": Y, "batch_size": 2.5},
    ):
        model = small_model()
        before = model.get_weights()
        with pytest.raises(ValueError, match=r"`(x|batch_|sample_weight)"):
            model.fit(
                X,
                Y,
                verbose=0,
                callbacks=[kind(**options)],
            )
        assert int(model.optimizer.iterations) == 0
        for old, new in zip(before, model.get_weights(), strict=True):
            assert np.array_equal(old, new)
