"""A curvature operator whose products outlast the process."""

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from keras_sharpness.files import (
    TEMPORARY_PREFIX,
    check_folder,
    replaced_atomically,
    write_atomically,
)
from keras_sharpness.fingerprint.descriptions import differences
from keras_sharpness.metrics.fingerprint import describe_operator
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import (
    CurvatureOperator,
    MeasuredOperator,
    as_operator,
)
from keras_sharpness.metrics.process_bound import ProcessBound

_DESCRIPTION = "operator.json"


def _read_description(path: pathlib.Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_bytes())
        if not isinstance(description, dict):
            raise ValueError(f"it holds a {type(description).__name__}")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. It says of which operator the "
            f"products beside it are. Delete {path.parent} to begin anew, or "
            "pass another folder."
        ) from error
    return description


class StoredProducts(ProcessBound, MeasuredOperator):
    """A curvature operator that keeps its products in a folder.

    A product with a vector that was multiplied before is read from there. The
    measurements of this package multiply the same vectors whenever they are
    called with the same options: one that was stopped, called again, goes
    through what it had finished within seconds and on from there, and ends
    with the same bits as if it had never been stopped. (A kill while the
    products of one block are being written is the exception: what is missing
    of the block is computed without the rest, and may round otherwise.) SciPy's
    solvers need their start vector, as `eigsh(..., v0=)`, to do the same. Nor
    are products computed twice that two measurements share, such as those of a
    trace by 16 and by 32 probes.

    Products are rounded to the dtype of the weights, in which a file keeps
    them, whether they are read or computed: `bytes = 4 P` for each of a float32
    network. Of the digits of float32 products that drops what is rounding
    anyway. To tell vectors apart and to write takes a tenth of a product of
    F1. Nothing is deleted; remove the folder when it has served.

    Args:
        operator: `Objective`, whose Hessian it is, or a curvature operator
            of this package.
        folder: Path of the folder, made if it is missing.

    Attributes:
        num_computed: Int. Products computed since.
        num_read: Int. Products read since.
        objective: `Objective` of the operator; and its `curvature`, `slices`
            and `keeps_activations`.

    Raises:
        ValueError: For another operator; if the folder holds products of
            other weights, data or settings, or something else, or does not
            say whose they are.
        OSError: If the folder cannot be made, or written to.

    Example:

    ```python
    import tempfile

    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics import StoredProducts

    model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(3)])
    objective = ks.Objective(model, np.eye(9), np.ones((9, 3)), loss="mse")
    with tempfile.TemporaryDirectory() as folder:
        hessian = StoredProducts(objective, folder)
        first = ks.hessian_trace(hessian, num_probes=4)
        again = ks.hessian_trace(hessian, num_probes=8)
        assert (hessian.num_computed, hessian.num_read) == (8, 4)
    ```
    """

    def __init__(
        self,
        operator: Objective | CurvatureOperator,
        folder: str | os.PathLike,
    ):
        operator = as_operator(operator, name="operator")
        self._folder = check_folder(folder, "folder", parents=False)
        # As JSON gives it back, tuples as lists.
        description = json.loads(
            json.dumps(describe_operator(operator, "`StoredProducts`"))
        )
        self._check_folder(description)
        self._operator = operator
        self.objective = operator.objective
        self.curvature = operator.curvature
        self.slices = operator.slices
        self.keeps_activations = operator.keeps_activations
        self.num_computed = self.num_read = 0
        self._dtype = np.dtype(self.objective.layout.dtype)
        super().__init__(np.float64, operator.shape)

    @property
    def w(self) -> np.ndarray:
        """The point, (P,) in float64."""
        return self._operator.w

    def _check_folder(self, description: dict[str, Any]) -> None:
        path = self._folder / _DESCRIPTION
        if path.exists():
            different = differences(_read_description(path), description)
            if different:
                raise ValueError(
                    f"{self._folder} holds products of another operator: "
                    f"{'; '.join(different)}. Pass another folder, or delete "
                    "it to begin anew."
                )
            return
        if any(
            not file.name.startswith(TEMPORARY_PREFIX)
            for file in self._folder.iterdir()
        ):
            raise ValueError(
                f"{self._folder} holds something else: there is no "
                f"{_DESCRIPTION} in it. Pass a folder that is new or empty."
            )
        text = json.dumps(description, indent=1)
        write_atomically(path, text.encode())

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(np.reshape(v, (-1, 1))).reshape(np.shape(v))

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        paths = [self._path(column) for column in block.T]
        total = np.empty(block.shape[::-1])
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        for i in set(range(len(paths))).difference(missing):
            total[i] = self._read(paths[i])
        if missing:
            computed = self._operator @ block[:, missing]
            for i, product in zip(missing, computed.T, strict=True):
                rounded = product.astype(self._dtype)
                # What is infinite ends a measurement; the next one shall not
                # find it again.
                if np.all(np.isfinite(rounded)):
                    with replaced_atomically(paths[i]) as temporary:
                        np.save(temporary, rounded)
                total[i] = rounded
        self.num_computed += len(missing)
        self.num_read += len(paths) - len(missing)
        return total.T

    def _adjoint(self) -> "StoredProducts":
        return self

    def _path(self, vector: np.ndarray) -> pathlib.Path:
        # The operator rounds vectors to this dtype as well.
        content = np.ascontiguousarray(vector, dtype=self._dtype)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return self._folder / f"{digest}.npy"

    def _read(self, path: pathlib.Path) -> np.ndarray:
        try:
            product = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"{path} cannot be read: {error}. Delete it, and the product "
                "is computed anew."
            ) from error
        if product.shape != self.shape[:1] or product.dtype != self._dtype:
            raise ValueError(
                f"{path} holds {product.dtype} of shape {product.shape} "
                f"instead of {self._dtype} of shape {self.shape[:1]}. Delete "
                "it, and the product is computed anew."
            )
        return product
