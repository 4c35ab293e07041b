"""The worker of PyTorch: one network, its data, and the order of its weights.

Started by run.py, in an environment that has PyTorch and the three libraries.
"""

import dataclasses

import networks_torch
import numpy as np
import settings
import torch
import torch_operations
import torch_problem
import worker
from torch import nn

PACKAGES = (
    "torch",
    "curvlinops-for-pytorch",
    "hessian-eigenthings",
    "pyhessian",
)


class Session:
    """The network that is being measured.

    Args:
        network: Str, a key of `settings.CASES`.
        folder: Str. Where the worker of Keras left weights and data.
    """

    def __init__(self, network, folder):
        self._network = network
        self._folder = folder

    def versions(self):
        """The installed versions of the libraries."""
        return worker.versions(PACKAGES)

    def speed(self):
        """How fast PyTorch multiplies matrices."""
        rows, length, columns = settings.MATRIX_PRODUCT
        a, b = torch.ones(rows, length), torch.ones(length, columns)
        return worker.gigaflops(lambda: a @ b)

    def load(self, batch_size, num_samples):
        """The same weights, data and vectors as in the worker of Keras."""
        model = networks_torch.NETWORKS[self._network]().eval()
        tensors = networks_torch.keras_tensors(model)
        with np.load(f"{self._folder}/weights.npz") as weights:
            shapes = {path: weights[path].shape for path in weights.files}
            if shapes.keys() != tensors.keys():
                raise ValueError(
                    "The networks have different layers: "
                    f"{sorted(shapes.keys() ^ tensors.keys())}."
                )
            for path, (module, name) in tensors.items():
                value = networks_torch.from_keras(module, weights[path])
                getattr(module, name).data.copy_(value)
        with np.load(f"{self._folder}/data.npz") as data:
            x = torch.as_tensor(data["x"][:num_samples])
            y = torch.as_tensor(data["y"][:num_samples].astype("int64"))
            paths = list(data["paths"])
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2).contiguous()
        self._places = _places(model, [(p, *tensors[p]) for p in paths], shapes)
        columns = np.random.default_rng(0).standard_normal(
            (len(self._places), settings.BLOCK)
        )
        self._problem = torch_problem.Problem(
            model=model,
            loss=nn.CrossEntropyLoss(),
            batches=list(
                zip(x.split(batch_size), y.split(batch_size), strict=True)
            ),
            vectors=torch.as_tensor(columns[self._places], dtype=torch.float32),
        )
        few = settings.FEW_SAMPLES
        small = dataclasses.replace(
            self._problem, batches=[(x[:few].clone(), y[:few].clone())]
        )
        self._turns = worker.Turns(
            torch_operations.operations(self._problem),
            torch_operations.operations(small),
        )
        return {"num_weights": len(self._places)}

    def values(self):
        """Writes loss, gradient and products, in the order of Keras."""
        values = torch_problem.values(self._problem)
        for name, value in values.items():
            if value.ndim:
                values[name] = np.empty_like(value)
                values[name][self._places] = value
        np.savez(f"{self._folder}/torch.npz", **values)
        return {}

    def start(self, **order):
        """Prepares one operation; see `worker`."""
        return self._turns.start(**order)

    def call(self, **order):
        """Runs the operation that was prepared; see `worker`."""
        return self._turns.call(**order)


def _places(model, layout, shapes):
    """Where each weight stands in Keras' flat vector, in PyTorch's order."""
    places, start = {}, 0
    for path, module, name in layout:
        param = getattr(module, name)
        numbers = np.arange(start, start + param.numel())
        places[param] = networks_torch.from_keras(
            module, numbers.reshape(shapes[path])
        )
        start += param.numel()
    return np.concatenate(
        [places[param].reshape(-1).numpy() for param in model.parameters()]
    )


if __name__ == "__main__":
    options = worker.options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    worker.serve(Session(options.network, options.folder))
