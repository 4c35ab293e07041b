"""On what Keras computes, and with how many threads."""

import os

import keras

if keras.backend.backend() != "tensorflow":
    raise RuntimeError(
        "Threads are set for Keras on TensorFlow. Received: backend "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
    )

import tensorflow as tf


def set_num_threads(number: int) -> None:
    """Sets how many threads share the work, before anything is computed.

    Sums in floating point depend on how they are divided, so the same bits
    need the same number.

    Args:
        number: Int.

    Raises:
        ValueError: If this process has computed with another number.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(number)
        tf.config.threading.set_inter_op_parallelism_threads(number)
    except RuntimeError as error:
        raise ValueError(
            f"This process computes with {num_threads()} threads already, and "
            f"`threads={number}` comes too late. Leave `threads` out, or let "
            "processes of their own do the work: `executor='process'`."
        ) from error


def num_threads() -> int:
    """Threads that share one operation; all cores where none was set."""
    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    if chosen:
        return chosen
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_kind() -> str:
    """The kind of device that computes, e.g. `"CPU"`."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "CPU"
    name = tf.config.experimental.get_device_details(devices[0]).get(
        "device_name", "unknown"
    )
    return f"GPU: {name}"
