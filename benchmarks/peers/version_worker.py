"""The worker of Keras, which also tells the processor's seconds.

Started by benchmarks/two_versions.py with the checkout to measure on
PYTHONPATH. Other work on the machine disturbs the processor's seconds less
than those of the clock.
"""

import time

import keras_worker
import tensorflow as tf
import worker


class Session(keras_worker.Session):
    """The network that is being measured."""

    def call(self, **order):
        """As that of its base."""
        before = time.process_time()
        answer = super().call(**order)
        return {**answer, "processor": time.process_time() - before}


if __name__ == "__main__":
    options = worker.options()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    worker.serve(Session(options.network, options.folder))
