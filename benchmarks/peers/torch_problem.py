"""One network and its data, as each of the three libraries takes them."""

import dataclasses
import warnings

import curvlinops
import hessian_eigenthings as eigenthings
import pyhessian
import torch
from settings import CURVLINOPS, EIGENTHINGS, PYTORCH


@dataclasses.dataclass(frozen=True)
class Problem:
    """Model, data, and the vectors (P, 8) of the products."""

    model: torch.nn.Module
    loss: torch.nn.Module
    batches: list[tuple[torch.Tensor, torch.Tensor]]
    vectors: torch.Tensor

    @property
    def params(self):
        """The model's parameters, in its order."""
        return list(self.model.parameters())

    def gradient(self):
        """Loss and gradient, as PyTorch's users write it."""
        num_samples = sum(len(y) for _, y in self.batches)
        total, gradient = 0.0, None
        for x, y in self.batches:
            part = self.loss(self.model(x), y) * (len(y) / num_samples)
            parts = torch.autograd.grad(part, self.params)
            total += part.item()
            gradient = (
                parts
                if gradient is None
                else [a + b for a, b in zip(gradient, parts, strict=True)]
            )
        return total, gradient

    def hessian(self):
        """The Hessian of curvlinops."""
        return curvlinops.HessianLinearOperator(
            self.model,
            self.loss,
            self.params,
            self.batches,
            check_deterministic=False,
        )

    def gauss_newton(self):
        """The Gauss-Newton matrix of curvlinops."""
        return curvlinops.GGNLinearOperator(
            self.model,
            self.loss,
            self.params,
            self.batches,
            check_deterministic=False,
        )

    def eigenthings_hessian(self):
        """The Hessian of hessian-eigenthings."""
        return eigenthings.HessianOperator(
            self.model, self.batches, eigenthings.supervised_loss(self.loss)
        )

    def eigenthings_gauss_newton(self):
        """The Gauss-Newton matrix of hessian-eigenthings."""
        return eigenthings.GGNOperator(
            self.model,
            self.batches,
            eigenthings.supervised_forward,
            eigenthings.supervised_loss_of_output(self.loss),
        )

    def pyhessian(self):
        """PyHessian's object; it keeps the gradient's graph of one batch."""
        data = (
            {"data": self.batches[0]}
            if len(self.batches) == 1
            else {"dataloader": self.batches}
        )
        # It adds to what an earlier one on this model has left there, and then
        # multiplies by the sum of both Hessians.
        self.model.zero_grad(set_to_none=True)
        with warnings.catch_warnings():
            # PyTorch's, on the reference cycle that it makes.
            warnings.filterwarnings("ignore", message="Using backward")
            return pyhessian.hessian(self.model, self.loss, cuda=False, **data)

    def split(self, vector):
        """A flat vector as tensors shaped as the parameters."""
        sizes = [param.numel() for param in self.params]
        return [
            part.view_as(param)
            for part, param in zip(
                vector.split(sizes), self.params, strict=True
            )
        ]


def values(problem):
    """Dict "value|library" -> loss, gradient and products."""
    loss, gradient = problem.gradient()
    vector = problem.vectors[:, 0]
    found = {
        f"loss|{PYTORCH}": torch.tensor(loss),
        f"gradient|{PYTORCH}": torch.cat([g.reshape(-1) for g in gradient]),
        f"product|{CURVLINOPS}": problem.hessian() @ vector,
        f"product|{EIGENTHINGS}": problem.eigenthings_hessian().matvec(vector),
        f"gauss_newton|{CURVLINOPS}": problem.gauss_newton() @ vector,
        f"gauss_newton|{EIGENTHINGS}": (
            problem.eigenthings_gauss_newton().matvec(vector)
        ),
    }
    return {key: value.detach().numpy() for key, value in found.items()}
