"""The worker of Keras without one part of the engine.

Started by benchmarks/engine_parts.py. To switch a part off, what calls it gets
something simpler in its place.
"""

import contextlib
import sys
import time


def _set(module, **values):
    from importlib import import_module

    found = import_module(f"keras_sharpness.metrics.{module}")
    for name, value in values.items():
        if not hasattr(found, name):
            raise AttributeError(f"{module} has no {name}")
        setattr(found, name, value)


def _matrix_products():
    _set(
        "backend.tensorflow.differentiable",
        large_matrix_products=contextlib.nullcontext,
    )


def _max_pooling():
    _set(
        "backend.tensorflow.kept_product",
        quick_max_pooling=contextlib.nullcontext,
    )


def _folding_of_dense():
    import keras

    _set(
        "loss.batch_loss",
        gaining_pairs=lambda pairs, _: [
            pair for pair in pairs if type(pair[0]) is not keras.layers.Dense
        ],
    )


def _folding():
    _set("loss.batch_loss", foldable_pairs=lambda _: [])


def _repeating():
    nothing = frozenset()
    _set(
        "backend.tensorflow.smallest_cut",
        _CHEAP=nothing,
        _CHEAP_IF_FUSED=nothing,
    )


def _fusion():
    _set("backend.tensorflow.kept_product", gains_from_fusion=lambda _: False)


def _kept_maps():
    from keras_sharpness.metrics.curvature_products import CurvatureProducts

    CurvatureProducts.kept_maps = lambda _: None


PARTS = {
    "matrix_products": _matrix_products,
    "max_pooling": _max_pooling,
    "folding of dense layers": _folding_of_dense,
    "folding": _folding,
    "repeating what is cheap": _repeating,
    "fusion by XLA": _fusion,
    "kept maps": _kept_maps,
}


if __name__ == "__main__":
    place = sys.argv.index("--without")
    without = sys.argv[place + 1]
    del sys.argv[place : place + 2]
    if without in PARTS:
        PARTS[without]()

    import keras_worker
    import tensorflow as tf
    import worker

    class Session(keras_worker.Session):
        """Tells the processor's seconds, which other work disturbs less."""

        def call(self, **order):
            """As that of its base."""
            before = time.process_time()
            answer = super().call(**order)
            return {**answer, "processor": time.process_time() - before}

    options = worker.options()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    worker.serve(Session(options.network, options.folder))
