"""The rows of the table by PyTorch and the three libraries on top of it.

Each library is used as its own documentation does; what it leaves to its users,
such as the error of a trace, is done here as they would have to.
"""

import functools
import itertools

import curvlinops
import hessian_eigenthings as eigenthings
import numpy as np
import settings
import torch
from pyhessian.utils import hessian_vector_product
from scipy.sparse.linalg import eigsh
from settings import BLOCK, CURVLINOPS, EIGENTHINGS, PYHESSIAN, PYTORCH
from worker import Operation

# Lanczos steps that hessian-eigenthings is given: the next where its flags say
# that an eigenvalue has not converged.
LANCZOS_STEPS = (20, 30, 40, 60, 80, 120, 160, 240)


def operations(problem):
    """Dict (library, row) -> Operation."""
    block, vector = problem.vectors, problem.vectors[:, 0].clone()
    return {
        (PYTORCH, "gradient"): Operation(lambda _: problem.gradient()),
        **_curvlinops(problem, vector, block),
        **_eigenthings(problem, vector),
        **_pyhessian(problem, vector),
    }


def _curvlinops(problem, vector, block):
    hessian, few = problem.hessian, settings.TRACE_BLOCK
    rows = {
        "product": Operation(lambda h: h @ vector, hessian),
        "block": Operation(lambda h: h @ block, hessian),
        "gauss_newton": Operation(lambda g: g @ vector, problem.gauss_newton),
        "eigenvalues": Operation(
            lambda h: eigsh(
                h.to_scipy(),
                k=settings.NUM_EIGENVALUES,
                which="LA",
                tol=settings.EIGENVALUE_TOLERANCE,
            ),
            hessian,
            warm_up=lambda h: h @ vector,
            report=lambda h, pairs: _residuals(
                *pairs, lambda v: (h @ torch.as_tensor(v).float()).numpy()
            ),
        ),
        "trace": Operation(
            # It gives no error: its users see one by repeating it.
            lambda h: _trace(
                lambda _: [curvlinops.hutchinson_trace(h, few).item()], few
            ),
            hessian,
            warm_up=lambda h: curvlinops.hutchinson_trace(h, few),
            report=lambda _, result: result,
        ),
        "density": Operation(
            lambda h: curvlinops.lanczos_approximate_spectrum(
                h, settings.NUM_STEPS, num_repeats=settings.NUM_PROBES
            ),
            hessian,
            warm_up=lambda h: h @ vector,
        ),
    }
    return {(CURVLINOPS, row): operation for row, operation in rows.items()}


def _eigenthings(problem, vector):
    hessian = problem.eigenthings_hessian

    def lanczos(operator, steps):
        return eigenthings.lanczos(
            operator,
            k=settings.NUM_EIGENVALUES,
            max_iter=steps,
            tol=settings.EIGENVALUE_TOLERANCE,
            reorthogonalize=True,
            which="LA",
            seed=0,
        )

    @functools.cache
    def enough_steps():
        operator = hessian()
        for steps in LANCZOS_STEPS:
            if lanczos(operator, steps).converged.all():
                return steps
        raise RuntimeError(f"not converged after {LANCZOS_STEPS[-1]} steps")

    rows = {
        "product": Operation(lambda h: h.matvec(vector), hessian),
        "gauss_newton": Operation(
            lambda g: g.matvec(vector), problem.eigenthings_gauss_newton
        ),
        "eigenvalues": Operation(
            # The number of steps is found before, which costs it nothing here.
            lambda h: lanczos(h, enough_steps()),
            hessian,
            warm_up=lambda _: enough_steps(),
            report=lambda h, result: {
                "num_products": enough_steps(),
                **_residuals(
                    result.eigenvalues.numpy(),
                    result.eigenvectors.T.numpy(),
                    lambda v: h.matvec(torch.as_tensor(v)).numpy(),
                ),
            },
        ),
        "trace": Operation(
            lambda h: _trace(
                lambda seed: eigenthings.trace(
                    h, num_matvecs=BLOCK, method="hutchinson", seed=seed
                ).samples.tolist(),
                BLOCK,
            ),
            hessian,
            warm_up=lambda h: h.matvec(vector),
            report=lambda _, result: result,
        ),
        "density": Operation(
            lambda h: eigenthings.spectral_density(
                h,
                num_runs=settings.NUM_PROBES,
                lanczos_steps=settings.NUM_STEPS,
            ),
            hessian,
            warm_up=lambda h: h.matvec(vector),
        ),
    }
    return {(EIGENTHINGS, row): operation for row, operation in rows.items()}


def _pyhessian(problem, vector):
    split = problem.split(vector)

    def product(h):
        if h.full_dataset:
            return h.dataloader_hv_product(split)[1]
        return hessian_vector_product(h.gradsH, h.params, split)

    def flat_product(h, v):
        parts = hessian_vector_product(
            h.gradsH, h.params, problem.split(torch.as_tensor(v))
        )
        return torch.cat([part.reshape(-1) for part in parts]).numpy()

    def columns(vectors):
        return np.stack(
            [torch.cat([p.reshape(-1) for p in v]).numpy() for v in vectors], 1
        )

    rows = {
        "product": Operation(product, problem.pyhessian),
        "eigenvalues": Operation(
            lambda h: h.eigenvalues(
                tol=settings.EIGENVALUE_TOLERANCE,
                top_n=settings.NUM_EIGENVALUES,
            ),
            problem.pyhessian,
            warm_up=product,
            report=lambda h, pairs: _residuals(
                pairs[0],
                columns(pairs[1]),
                lambda v: flat_product(h, v),
            ),
        ),
        "trace": Operation(
            # Any other tolerance ends it when a running mean is negative.
            lambda h: _trace(
                lambda _: h.trace(maxIter=BLOCK, tol=-np.inf), BLOCK
            ),
            problem.pyhessian,
            warm_up=product,
            report=lambda _, result: result,
        ),
        "density": Operation(
            lambda h: h.density(
                iter=settings.NUM_STEPS, n_v=settings.NUM_PROBES
            ),
            problem.pyhessian,
            warm_up=lambda h: h.density(iter=2, n_v=1),
        ),
    }
    return {(PYHESSIAN, row): operation for row, operation in rows.items()}


def _trace(draw, num_products):
    """Hutchinson until the standard error is small enough.

    `draw(seed)` gives independent estimates of the trace, by `num_products`
    products.
    """
    estimates, seeds, products = [], itertools.count(), 0
    value, error = 0.0, np.inf
    while (
        products < settings.LEAST_PROBES
        or error > settings.TRACE_ERROR * abs(value)
    ):
        estimates.extend(draw(next(seeds)))
        products += num_products
        value = float(np.mean(estimates))
        if len(estimates) > 1:
            error = float(np.std(estimates, ddof=1) / np.sqrt(len(estimates)))
    return {
        "value": value,
        "standard_error": error,
        "num_products": products,
    }


def _residuals(eigenvalues, vectors, multiply):
    """Eigenvalues, largest first, and the largest relative residual."""
    relative = [
        np.linalg.norm(multiply(v) - value * v)
        / (abs(value) * np.linalg.norm(v))
        for value, v in zip(eigenvalues, vectors.T, strict=True)
    ]
    return {
        "eigenvalues": sorted(map(float, eigenvalues), reverse=True),
        "residual": float(max(relative)),
    }
