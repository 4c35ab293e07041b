"""Histograms of the spectrum for TensorBoard."""

import os

import numpy as np
import tensorflow as tf

from keras_sharpness.files import check_folder
from keras_sharpness.metrics.density import SpectralDensity

_NUM_BUCKETS = 100


class SpectrumWriter:
    """Writes histograms of eigenvalues to `log_dir/name`, a run of its own.

    TensorBoard reads one event file of a run at a time, so that it would not
    show both these and what Keras writes to `log_dir/train`.

    Args:
        log_dir: Path.
        name: Str. Of the run and of the histograms.

    Raises:
        ImportError: If TensorBoard is not installed.
        OSError: If no file can be written there.
    """

    def __init__(self, log_dir: str | os.PathLike, name: str):
        try:
            from tensorboard.plugins.histogram import metadata
        except ImportError as error:
            raise ImportError(
                "`log_dir` needs TensorBoard: pip install tensorboard"
            ) from error
        self._metadata = metadata.create_summary_metadata(
            display_name=None, description=None
        )
        self._folder = str(check_folder(log_dir, "log_dir") / name)
        self._name = name
        self._writer: tf.summary.SummaryWriter | None = None

    def write_eigenvalues(self, values: np.ndarray, step: int) -> None:
        """Writes a histogram that counts each eigenvalue once.

        Args:
            values: Array (k,).
            step: Int. The epoch, or the step of the optimizer.
        """
        counts, edges = np.histogram(values, bins=_NUM_BUCKETS)
        self._write(counts, edges, step)

    def write_density(self, density: SpectralDensity, step: int) -> None:
        """Writes how many eigenvalues lie where.

        Args:
            density: `SpectralDensity`.
            step: Int. The epoch, or the step of the optimizer.
        """
        grid = density.grid
        mass = np.append(
            0.0,
            np.cumsum(
                (density.density[1:] + density.density[:-1]) / 2 * np.diff(grid)
            ),
        )
        edges = np.linspace(grid[0], grid[-1], _NUM_BUCKETS + 1)
        counts = density.size * np.diff(np.interp(edges, grid, mass))
        self._write(counts, edges, step)

    def close(self) -> None:
        """Closes the file; the next histogram begins another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, counts: np.ndarray, edges: np.ndarray, step: int) -> None:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._folder)
        # `tf.summary.histogram` counts samples, and the density has none.
        # This is the layout that it writes: left edge, right edge, count.
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
        with self._writer.as_default():
            tf.summary.write(
                self._name,
                tf.constant(buckets, tf.float64),
                step=step,
                metadata=self._metadata,
            )
        # Readable at once, and also if the training is interrupted.
        self._writer.flush()
