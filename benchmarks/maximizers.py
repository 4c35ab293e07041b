"""What maximisers of the ε-sharpness find, and what they cost.

    python benchmarks/maximizers.py           # F1, as many evaluations each
    python benchmarks/maximizers.py shares    # shares of the best known

F1 is trained on mnist_5k with batch 400 for 50 epochs; both maximisers then
search the same boxes, and so does L-BFGS-B as it is commonly called: unscaled.

Shares are of the best that several hundred searches by another implementation
found on the networks in `tests/oracle`, in float64, with ten seeds.
"""

import sys
import time

import _timing
import keras
import numpy as np
import scipy.optimize

import keras_sharpness as ks

EVALUATIONS = 12
SEEDS = 10
ASKED = {
    "the paper's": {"maximizer": "l-bfgs-b", "num_starts": 1},
    "default": {},
    "best, 3 starts": {"maximizer": "best"},
    "best, 3 starts of 20": {"maximizer": "best", "max_iterations": 20},
    "best, 16 starts of 20": {
        "maximizer": "best",
        "max_iterations": 20,
        "num_starts": 16,
    },
}


def unscaled(objective, epsilon):
    """SciPy's L-BFGS-B in the weights themselves, tolerances 0."""
    w = objective.weights
    half_widths = epsilon * (np.abs(w) + 1)
    loss, best, calls = objective.value(), -np.inf, 0

    def negative(d):
        nonlocal best, calls
        calls += 1
        value, gradient = objective.value_and_gradient(w + d)
        best = max(best, value)
        return -value, -gradient

    scipy.optimize.minimize(
        negative,
        np.zeros_like(w),
        jac=True,
        method="L-BFGS-B",
        bounds=scipy.optimize.Bounds(-half_widths, half_widths),
        options={
            "maxiter": 10,
            "maxfun": EVALUATIONS,
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    return 100 * (best - loss) / (1 + loss), calls


def shares():
    """Rows of each ε, space and maximiser: shares and evaluations."""
    sys.path.insert(0, str(_timing.ROOT))
    from tests import oracle_networks

    keras.backend.set_floatx("float64")
    found = {}
    for network in oracle_networks.BUILDERS:
        model, data = oracle_networks.load(network)
        objective = ks.Objective(model, data["x"], data["y"])
        for space, known, subspace in (
            ("full", "best_phi", None),
            ("subspace", "subspace_best_phi", data["subspace_A"]),
        ):
            for epsilon, best in zip(
                data["epsilons"], data[known], strict=True
            ):
                for name, options in ASKED.items():
                    results = [
                        ks.epsilon_sharpness(
                            objective,
                            epsilon=float(epsilon),
                            subspace=subspace,
                            seed=seed,
                            progress=False,
                            **options,
                        )
                        for seed in range(SEEDS)
                    ]
                    found.setdefault((float(epsilon), space, name), {})[
                        network
                    ] = [(r.value / best, r.num_evaluations) for r in results]
    rows = []
    for (epsilon, space, name), networks in sorted(found.items()):
        every = np.array(list(networks.values()))
        rows.append(
            {
                "epsilon": epsilon,
                "space": space,
                "maximizer": name,
                "least share": float(np.min(every[..., 0])),
                "median share": float(np.median(every[..., 0])),
                "least share by network": {
                    network: float(min(share for share, _ in values))
                    for network, values in networks.items()
                },
                "evaluations, mean": float(np.mean(every[..., 1])),
                "evaluations, most": int(np.max(every[..., 1])),
            }
        )
    _timing.write("maximizers_shares", rows, arguments="shares")


def main():
    """Trains, then measures."""
    data = ks.data.load("mnist_5k")
    keras.utils.set_random_seed(0)
    model = ks.models.F1()
    ks.train(
        model,
        data.x_train,
        data.y_train,
        batch_size=400,
        epochs=50,
        progress=False,
    )
    objective = ks.Objective(model, data.x_train, data.y_train)
    rows = []
    for epsilon in (1e-3, 5e-4, 1e-4):
        found = {}
        for maximizer in ("frank-wolfe", "l-bfgs-b"):
            found[maximizer] = ks.epsilon_sharpness(
                objective,
                epsilon=epsilon,
                maximizer=maximizer,
                max_iterations=EVALUATIONS,
                max_evaluations=EVALUATIONS,
                num_starts=1,
                progress=False,
            )
        start = time.perf_counter()
        plain, calls = unscaled(objective, epsilon)
        fast, slow = found["frank-wolfe"], found["l-bfgs-b"]
        rows.append(
            {
                "epsilon": epsilon,
                "frank-wolfe (%)": fast.value,
                "l-bfgs-b (%)": slow.value,
                "l-bfgs-b / frank-wolfe": slow.value / fast.value,
                "evaluations": [fast.num_evaluations, slow.num_evaluations],
                "frank-wolfe: seconds / seconds in evaluations": fast.seconds
                / fast.evaluation_seconds,
                "l-bfgs-b: seconds / seconds in evaluations": slow.seconds
                / slow.evaluation_seconds,
                "frank-wolfe (s)": fast.seconds,
                "l-bfgs-b (s)": slow.seconds,
                "unscaled l-bfgs-b (%)": plain,
                "unscaled: evaluations": calls,
                "unscaled (s)": time.perf_counter() - start,
            }
        )
    _timing.write("maximizers", rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["shares"]:
        shares()
    else:
        main()
