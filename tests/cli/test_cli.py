"""The command line, run as a user runs it: in a process of its own."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_sharpness.cli import main

COMMAND = pathlib.Path(sys.executable).with_name("keras-sharpness")
QUICK = [
    "--epochs=1",
    "--seeds=1",
    "--samples=50",
    "--epsilon=1e-3",
    "--subspace-dim=2",
    "--eigenvalues=1",
]


@pytest.fixture
def archive(tmp_path):
    """A small data set as a file."""
    generator = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = generator.standard_normal((150, 4)).astype("float32") + y[:, None]
    path = tmp_path / "points.npz"
    np.savez(
        path, x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:]
    )
    return path


def run(*arguments, folder=None):
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@contextlib.contextmanager
def interrupts_heard():
    """Processes started here hear an interrupt from the keyboard.

    A shell lets what it starts in the background ignore it, and every process
    hands that on to its children.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_interrupted_compare_goes_on_then_measure(archive, tmp_path):
    arguments = ["compare", f"--dataset={archive}", "--small-batch=5", *QUICK]
    with interrupts_heard():
        process = subprocess.Popen(
            [COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    run_file = tmp_path / "runs/f1-points-5-10/seed-0-batch-5/run.json"
    for _ in range(600):
        if run_file.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    first = run(*arguments, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    out = tmp_path / "runs/f1-points-5-10"
    assert (out / "report.html").is_file()
    assert "small batch (5)" in first.stdout
    assert "which minimum is sharper" in first.stdout
    assert "runs/f1-points-5-10/report.html" in first.stdout
    assert "training, seed 0, batch 10" in first.stderr
    assert "oneDNN" not in first.stderr
    second = run(*arguments, folder=tmp_path)
    assert second.stdout == first.stdout
    assert "[" not in second.stderr
    measured = run(
        "measure",
        out / "seed-0-batch-5/model.keras",
        f"--dataset={archive}",
        f"--json={tmp_path / 'results.json'}",
        "--quiet",
        *QUICK[2:],
    )
    assert measured.returncode == 0, measured.stderr
    assert measured.stderr == ""
    results = json.loads((tmp_path / "results.json").read_text())
    stored = json.loads(
        (out / "seed-0-batch-5/measurements")
        .joinpath("epsilon_sharpness-0.001-full.json")
        .read_text()
    )
    again = results["epsilon_sharpness-0.001-full"]["value"]
    assert again == pytest.approx(stored["result"]["value"], rel=1e-5)


def test_any_keras_model_can_be_measured(archive, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save(tmp_path / "mine.keras")
    arguments = ["measure", str(tmp_path / "mine.keras")]
    arguments += [f"--dataset={archive}", "--quiet", *QUICK[2:]]
    runner = CliRunner()
    without = runner.invoke(main, arguments)
    assert without.exit_code == 1
    assert "is not compiled with a loss" in without.output
    arguments += ["--loss=sparse_categorical_crossentropy", "--from-logits"]
    found = runner.invoke(main, arguments)
    assert found.exit_code == 0, found.output
    assert "train accuracy (%)" in found.output
    assert "lower bound" in found.output


def test_what_a_model_meets_while_it_runs_is_one_line(tmp_path):
    """A word that the table of an embedding does not have, in the last row."""
    x, y = np.zeros((3000, 3), "float32"), np.arange(3000) % 2
    x[-1] = 9
    np.savez(tmp_path / "words.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    layers = [keras.Input((3,)), keras.layers.Embedding(5, 2)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.save(tmp_path / "words.keras")
    arguments = ["measure", str(tmp_path / "words.keras"), "--quiet"]
    arguments += [f"--dataset={tmp_path / 'words.npz'}", *QUICK[2:]]
    found = CliRunner().invoke(main, arguments)
    assert isinstance(found.exception, SystemExit)
    assert "indices" in found.output
    assert len(found.output.splitlines()) == 1
    assert len(found.output) < 1000


def saved(folder, model, **arrays):
    """Arguments that measure a model on an archive of the arrays."""
    model.save(folder / "model.keras")
    arrays |= {"x_test": arrays["x_train"], "y_test": arrays["y_train"]}
    np.savez(folder / "own.npz", **arrays)
    results = folder / "results.json"
    return [
        "measure",
        str(folder / "model.keras"),
        f"--dataset={folder / 'own.npz'}",
        f"--json={results}",
        "--quiet",
        *QUICK[2:],
    ], results


def test_a_regression_is_measured(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4)).astype("float32")
    y = x @ [1.0, 2.0, 3.0, 4.0] + 1.0
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    arguments, results = saved(tmp_path, model, x_train=x, y_train=y)
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    assert "accuracy" not in found.output
    values = json.loads(results.read_text())
    kernel, bias = model.get_weights()
    residual = (x @ kernel + bias)[:, 0] - y
    loss = values["evaluation"]["train_loss"]
    assert loss == pytest.approx(np.mean(residual**2), rel=1e-5)  # float32
    # The Hessian of a linear regression is 2 XᵀX / N, the bias a column.
    columns = np.column_stack([x, np.ones(30)]).astype("float64")
    expected = np.linalg.eigvalsh(2 * columns.T @ columns / 30)[-1]
    eigenvalue = values["hessian_eigenvalues"]["eigenvalues"]["array"][0]
    # The residual of a converged one is at most 1e-3 of it.
    assert eigenvalue == pytest.approx(expected, rel=1e-3)
    # The networks of the paper tell classes apart.
    refused = CliRunner().invoke(
        main, ["compare", f"--dataset={tmp_path / 'own.npz'}"]
    )
    assert refused.exit_code == 1
    assert "ks.studies.compare" in refused.output


def test_words_are_measured(tmp_path):
    words = np.random.default_rng(0).integers(0, 20, (30, 5)).astype("int64")
    y = np.arange(30) % 2
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Embedding(20, 3),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    arguments, results = saved(tmp_path, model, x_train=words, y_train=y)
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    values = json.loads(results.read_text())
    p = model.predict(words, verbose=0)
    expected = -np.mean(np.log(p[np.arange(30), y]))
    loss = values["evaluation"]["train_loss"]
    assert loss == pytest.approx(expected, rel=1e-5)  # float32
    # As bytes they would be pixels, and divided by 255 without a word.
    arguments, _ = saved(
        tmp_path, model, x_train=words.astype("uint8"), y_train=y
    )
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert 'astype("int32")' in refused.output


def test_two_outputs_are_refused(tmp_path):
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(n)(inputs) for n in (1, 2)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["mse", "mse"])
    arguments, _ = saved(
        tmp_path, model, x_train=np.ones((9, 4)), y_train=np.ones(9)
    )
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "2 outputs" in refused.output
    assert "[y1, y2]" in refused.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--network=f9"], "one of F1, F2, C1, C2, C3, C4, S1"),
        (["compare", "--dataset=none.npz"], "none.npz"),
        (["compare", "--epsilon=0"], "must be a positive, finite number"),
        (["compare", "--small-batch=500"], "must be smaller"),
        (["compare", "--out=/proc/none"], "/proc/none"),
        (["compare", "--maximizer=adam"], "'l-bfgs-b', 'frank-wolfe', 'best'"),
        (["compare", "--num-starts=0"], "must be an integer of at least 1"),
        (["compare", "--optimizer=best"], "best"),
        (["sweep", "--batch-sizes=16,many"], "must be whole numbers"),
        (["sweep", "--batch-sizes=,"], "`batch_sizes` must be a sequence"),
        (["sweep", "--batch-sizes=16,5000"], "There are 4000 training samples"),
        (["sweep", "--train=patience"], "`--train` must be NAME=VALUE"),
        (["sweep", "--train=patient=3"], "Received: 'patient'"),
        (["sweep", "--build=no:where"], "`--build` must be MODULE:FUNCTION"),
        (["sweep", "--optimizer=adam", "--momentum=0.5"], "does not go with"),
        (["sweep", "--measure=flatness"], "`measures` must be names among"),
        (["sweep", "--out=/proc/none", "--prepare"], "/proc/none"),
        (["member", "none", "0"], "none holds no recipe.json"),
        (["measure", "none.keras"], "There is no file none.keras"),
        (["measure", __file__], "not a readable Keras archive"),
    ],
)
def test_errors_are_one_line_that_names_the_remedy(arguments, message):
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code in (1, 2)
    assert message in found.output
    assert "Traceback" not in found.output
    error = found.output[found.output.index("Error:") :]
    assert len(error.strip().splitlines()) == 1


def test_a_sweep_by_its_members(archive, tmp_path):
    """As the tasks of a job array run them, and then all in one."""
    out = tmp_path / "sweep"
    arguments = ["sweep", f"--dataset={archive}", f"--out={out}", "--quiet"]
    arguments += ["--batch-sizes=20,100", "--stop-loss=0", "--train=patience=9"]
    arguments += ["--measure=hessian_trace:num_probes=2", *QUICK]
    runner = CliRunner()
    made = runner.invoke(main, [*arguments, "--prepare"])
    assert made.exit_code == 0, made.output
    assert "for K from 0 to 1" in made.output
    assert not (out / "seed-0-batch-20").exists()
    for name in ("0", "seed-0-batch-100"):
        member = ["member", str(out), name, "--quiet"]
        found = runner.invoke(main, member)
        assert found.exit_code == 0, found.output
    beyond = runner.invoke(main, ["member", str(out), "2", "--quiet"])
    assert beyond.exit_code == 1
    assert "must be an integer from 0 to 1" in beyond.output
    models = list(out.glob("*/model.keras"))
    before = [model.stat().st_mtime_ns for model in models]
    whole = runner.invoke(main, arguments)
    assert whole.exit_code == 0, whole.output
    assert "2 of 2 trainings ended" in whole.output
    assert "Hessian trace" in whole.output
    assert (out / "report.html").is_file()
    assert before == [model.stat().st_mtime_ns for model in models]


def test_help_reads_well():
    runner = CliRunner()
    top = runner.invoke(main, ["--help"]).output
    assert "compare" in top
    assert "measure" in top
    for command in ("compare", "measure", "member", "sweep"):
        text = runner.invoke(main, [command, "-h"]).output
        assert "Example: keras-sharpness" in text
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["warm-start", "--small-epochs=a"], "whole numbers with commas"),
        (["warm-start", "--small-batch=3000"], "smaller than `large_batch`"),
        (["grow", "--milestones=4-64"], "EPOCH:SIZE"),
        (["grow", "--milestones=4:8"], "grow from the initial 16"),
        (["grow", "--large-batch=5000"], "4000 training samples"),
        (["remedies", "--remedy=hope"], "one of sam, asam"),
        (["remedies", "--remedy=sam=much"], "NAME=NUMBER"),
        (["remedies", "--batch-sizes=8000"], "4000 training samples"),
    ],
)
def test_studies_of_groups_refuse_in_one_line(command, message, tmp_path):
    out = tmp_path / "study"
    result = CliRunner().invoke(
        main, [*command, "--network=s1", f"--out={out}"]
    )
    assert result.exit_code != 0
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0
    assert not out.exists()
