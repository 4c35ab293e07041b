"""The worker of Keras: the network, its data, and the rows by this package.

Started by run.py. It makes the network, trains it for a moment, and leaves
weights and data for the worker of PyTorch.
"""

import functools

import keras
import networks_keras
import numpy as np
import settings
import tensorflow as tf
import worker
from settings import BLOCK, FEW_SAMPLES, KERAS, OURS
from worker import Operation

import keras_sharpness as ks
from keras_sharpness.metrics import GaussNewtonOperator, HessianOperator

# Enough for moving statistics and eigenvalues that are not those of chance.
TRAINING = {"batch_size": 32, "epochs": 3, "verbose": 0}

PACKAGES = ("keras", "tensorflow", "numpy", "scipy")


class Session:
    """The network that is being measured.

    Args:
        network: Str, a key of `settings.CASES`.
        folder: Str. Where weights and data are left for all workers.
    """

    def __init__(self, network, folder):
        keras.utils.set_random_seed(0)
        self._folder = folder
        self._model, self._shape = getattr(networks_keras, network)()
        self._model.compile(
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def versions(self):
        """The installed versions of the libraries."""
        return worker.versions(PACKAGES)

    def speed(self):
        """How fast TensorFlow multiplies matrices."""
        rows, length, columns = settings.MATRIX_PRODUCT
        a, b = tf.ones((rows, length)), tf.ones((length, columns))
        return worker.gigaflops(lambda: tf.matmul(a, b).numpy())

    def make(self):
        """Trains the network, and writes weights and data."""
        x, y = self._shape(settings.TRAINING_SAMPLES)
        for layer in self._model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # The default needs far more steps than the few made here.
                layer.momentum = 0.9
        self._model.fit(x, y, **TRAINING)
        np.savez(
            f"{self._folder}/weights.npz",
            **{v.path: np.asarray(v) for v in self._model.weights},
        )
        np.savez(
            f"{self._folder}/data.npz",
            x=x,
            y=y,
            paths=[v.path for v in self._model.trainable_variables],
        )
        return {}

    def load(self, batch_size, num_samples):
        """The objective over the first samples."""
        with np.load(f"{self._folder}/weights.npz") as weights:
            for variable in self._model.weights:
                variable.assign(weights[variable.path])
        with np.load(f"{self._folder}/data.npz") as data:
            x, y = data["x"][:num_samples], data["y"][:num_samples]
        # The check of repeatability would take the memory before it is watched.
        objective, small = (
            ks.Objective(
                self._model,
                x[:size],
                y[:size],
                batch_size=min(batch_size, size),
                check_repeatability=False,
            )
            for size in (num_samples, min(FEW_SAMPLES, num_samples))
        )
        self._objective = objective
        self._vectors = np.random.default_rng(0).standard_normal(
            (objective.size, BLOCK)
        )
        self._turns = worker.Turns(
            *(
                _operations(each, self._vectors)
                | {
                    (KERAS, "gradient"): _keras_gradient(
                        self._model, x, y, size
                    )
                }
                for each, size in ((objective, len(x)), (small, FEW_SAMPLES))
            )
        )
        return {"num_weights": objective.size}

    def values(self):
        """Writes loss, gradient and products."""
        loss, gradient = self._objective.value_and_gradient()
        vector = self._vectors[:, 0]
        np.savez(
            f"{self._folder}/keras.npz",
            loss=loss,
            gradient=gradient,
            product=self._objective.hessian_product(vector),
            gauss_newton=self._objective.gauss_newton_product(vector),
        )
        return {}

    def start(self, **order):
        """Prepares one operation; see `worker`."""
        return self._turns.start(**order)

    def call(self, **order):
        """Runs the operation that was prepared; see `worker`."""
        return self._turns.call(**order)


def _operations(objective, block):
    vector = block[:, 0].copy()

    # Made by the first call, whose memory is watched, and kept, as users keep
    # curvlinops' operators and ours.
    @functools.cache
    def operator(kind):
        return kind(objective)

    def eigenvalues(tolerance):
        return ks.hessian_eigenvalues(
            objective,
            k=settings.NUM_EIGENVALUES,
            tolerance=tolerance,
            eigenvectors=True,
        )

    def density(num_steps):

        return ks.spectral_density(
            objective, num_probes=settings.NUM_PROBES, num_steps=num_steps
        )

    def trace(relative_error):

        return ks.hessian_trace(objective, relative_error=relative_error)

    rows = {
        "gradient": Operation(lambda _: objective.gradient()),
        "product": Operation(lambda _: operator(HessianOperator) @ vector),
        "block": Operation(lambda _: operator(HessianOperator) @ block),
        "gauss_newton": Operation(
            lambda _: operator(GaussNewtonOperator) @ vector
        ),
        "eigenvalues": Operation(
            lambda _: eigenvalues(settings.EIGENVALUE_TOLERANCE),
            warm_up=lambda _: eigenvalues(1.0),
            report=lambda _, result: _report_eigenvalues(objective, result),
        ),
        "trace": Operation(
            lambda _: trace(settings.TRACE_ERROR),
            warm_up=lambda _: trace(1.0),
            report=lambda _, result: {
                "value": result.value,
                "standard_error": result.standard_error,
                "num_products": result.num_products,
            },
        ),
        "density": Operation(
            lambda _: density(settings.NUM_STEPS),
            warm_up=lambda _: density(2),
            report=lambda _, result: {"num_products": result.num_products},
        ),
    }
    return {(OURS, row): operation for row, operation in rows.items()}


def _keras_gradient(model, x, y, num_samples):
    """The gradient as users of Keras write it, all samples as one batch."""
    x, y = tf.constant(x[:num_samples]), tf.constant(y[:num_samples])

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=False))
        return tape.gradient(loss, model.trainable_variables)

    return Operation(lambda _: [part.numpy() for part in gradient()])


def _report_eigenvalues(objective, result):
    vectors = result.eigenvectors
    remainders = (
        objective.hessian_product(vectors) - vectors * result.eigenvalues
    )
    residuals = np.linalg.norm(remainders, axis=0) / np.abs(result.eigenvalues)
    return {
        "eigenvalues": list(map(float, result.eigenvalues)),
        "residual": float(residuals.max()),
        "num_products": result.num_products,
    }


if __name__ == "__main__":
    options = worker.options()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    worker.serve(Session(options.network, options.folder))
