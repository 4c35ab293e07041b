"""What a member of a study costs beyond its training and measuring.

A study of many members, a tiny network and one epoch each, by processes or on
Ray: seconds per member, the share that is training and measuring, and how the
memory of the driver moves.

    python benchmarks/members.py --members 200 --executor process --workers 2
"""

import argparse
import pathlib
import tempfile
import threading
import time

import keras
import numpy as np
import psutil

import keras_sharpness as ks


def build_model() -> keras.Model:
    """A network of 67 weights."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def blobs() -> ks.data.ClassificationData:
    """Three Gaussian clouds in the plane."""
    generator = np.random.default_rng(0)
    y = np.arange(1200) % 3
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    x = (centres[y] + generator.standard_normal((1200, 2))).astype("float32")
    return ks.data.ClassificationData(
        name="blobs",
        x_train=x[:900],
        y_train=y[:900],
        x_test=x[900:],
        y_test=y[900:],
        num_classes=3,
        source="made by the benchmark",
    )


def own_seconds(folder: pathlib.Path) -> float:
    """What the training and the searches of a member took."""
    run = ks.runs.RunFolder.open(folder)
    measured = run.read("epsilon_sharpness-0.001-full").seconds
    return run.history().total_seconds + measured


def main() -> None:
    """Runs the study and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--executor", default="process")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    members = [
        ks.studies.Member(seed=seed, batch_size=90)
        for seed in range(options.members)
    ]
    plan = ks.studies.MeasurementPlan(
        epsilons=(1e-3,), subspace_dim=None, num_eigenvalues=0, num_starts=1
    )
    memory, done = [], threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            memory.append(psutil.Process().memory_info().rss / 2**20)

    with tempfile.TemporaryDirectory() as folder:
        study = ks.studies.Study(
            build_model,
            blobs(),
            members,
            out=folder,
            plan=plan,
            training={"epochs": 1, "optimizer": "sgd"},
        )
        threading.Thread(target=watch, daemon=True).start()
        clock = time.perf_counter()
        result = study.run(
            executor=options.executor,
            workers=options.workers,
            threads=1,
            progress=False,
        )
        seconds = time.perf_counter() - clock
        done.set()
        own = [
            own_seconds(pathlib.Path(folder, row["member"]))
            for row in result.rows
        ]
    worked = seconds * options.workers / options.members
    quarter = max(1, len(memory) // 4)
    print(result.ended())
    print(
        f"{options.executor}, {options.workers} workers: {seconds:.0f} s, "
        f"{worked:.1f} s of a worker per member, {np.mean(own):.1f} s of it "
        f"training and measuring; driver {np.mean(memory[:quarter]):.0f} MiB "
        f"in the first quarter, {np.mean(memory[-quarter:]):.0f} MiB in the "
        "last"
    )


if __name__ == "__main__":
    main()
