"""How near a Hessian product of F1 comes to the matrix products it is made of.

    python benchmarks/matrix_products.py

With everything kept that does not depend on the vector V, a dense layer
z = W h whose loss has the gradient δ by z still needs six products of matrices
as large as W and the batch: V h and W ḣ forward, Wᵀ δ̇ and Vᵀ δ backward, and
δ̇ hᵀ and δ ḣᵀ for the result; the first layer two of them, for nothing changes
before it. Pearlmutter's method needs all of them. Each is timed alone, on
random numbers, by TensorFlow, by TensorFlow with XLA and by NumPy's BLAS, and
the fastest counts. What a Hessian product takes beyond their sum are the
normalisation, the ReLUs, the loss, the way from and to NumPy, and slower matrix
products.
"""

import _timing
import numpy as np
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.metrics import HessianOperator

NUM_SAMPLES = 2000
BLOCK = 8
REPEATS = 15
LIBRARIES = ("tensorflow", "xla", "numpy")
# Operands: activations h (N, m), gradients d (N, n), weights w (m, n).
FORMS = {
    "forward": ("h", "w", {}),
    "backward": ("d", "w", {"transpose_b": True}),
    "result": ("h", "d", {"transpose_a": True}),
}


def matrix_products(shapes):
    """The matrix products of one Hessian product.

    Args:
        shapes: List of (m, n), of the kernels from the first layer on.

    Returns:
        Dict from (form, library, shape) to a function that multiplies, and a
        dict from (form, shape) to the number of such products.
    """
    rng = np.random.default_rng(0)
    functions, counts = {}, {}
    for place, (m, n) in enumerate(shapes):
        operands = {
            "h": rng.standard_normal((NUM_SAMPLES, m), np.float32),
            "d": rng.standard_normal((NUM_SAMPLES, n), np.float32),
            "w": rng.standard_normal((m, n), np.float32),
        }
        for form, (one, other, options) in FORMS.items():
            if place == 0 and form == "backward":
                continue
            arrays = operands[one], operands[other]
            count = 2 if place else 1
            counts[form, (m, n)] = counts.get((form, (m, n)), 0) + count
            for library, function in _libraries(arrays, options).items():
                functions[form, library, (m, n)] = function
    return functions, counts


def _libraries(arrays, options):
    tensors = [tf.constant(array) for array in arrays]

    def multiply(a, b):
        return tf.matmul(a, b, **options)

    def by_numpy():
        a, b = arrays
        return (a.T if "transpose_a" in options else a) @ (
            b.T if "transpose_b" in options else b
        )

    plain = tf.function(multiply)
    fused = tf.function(multiply, jit_compile=True)
    return {
        # Read, for TensorFlow returns before it is done.
        "tensorflow": lambda: plain(*tensors).numpy(),
        "xla": lambda: fused(*tensors).numpy(),
        "numpy": by_numpy,
    }


def main():
    """Times F1's Hessian product beside its matrix products."""
    model = ks.models.F1()
    x, y = _timing.images(model.input_shape[1:], NUM_SAMPLES)
    objective = ks.Objective(
        model, x, y, batch_size=NUM_SAMPLES, check_repeatability=False
    )
    operator = HessianOperator(objective)
    block = np.random.default_rng(0).standard_normal((objective.size, BLOCK))
    vector = np.ascontiguousarray(block[:, 0])
    shapes = [
        variable.shape
        for variable in model.trainable_variables
        if len(variable.shape) == 2
    ]
    functions, counts = matrix_products(shapes)
    seconds = _timing.medians(
        {
            "gradient": objective.gradient,
            "product": lambda: operator @ vector,
            "block": lambda: operator @ block,
        },
        REPEATS,
    )
    # Apart: the threads of NumPy's BLAS go on spinning for a while, and would
    # keep a processor from TensorFlow.
    for library in LIBRARIES:
        seconds |= _timing.medians(
            {key: f for key, f in functions.items() if key[1] == library},
            REPEATS,
        )
    rows, total, operations = [], 0.0, 0
    for (form, (m, n)), count in counts.items():
        times = {
            library: seconds[form, library, (m, n)] for library in LIBRARIES
        }
        total += count * min(times.values())
        operations += count * 2 * NUM_SAMPLES * m * n
        rows.append(
            {"form": form, "kernel": f"{m} x {n}", "number": count}
            | {f"{library} (s)": time for library, time in times.items()}
        )
    each = seconds["block"] / BLOCK
    rows.append(
        {
            "network": "F1",
            "samples": NUM_SAMPLES,
            "operations of the matrix products": operations,
            "fastest matrix products (s)": total,
            "product (s)": seconds["product"],
            "product in a block of 8 (s)": each,
            "gradient (s)": seconds["gradient"],
            "product / matrix products": seconds["product"] / total,
            "product in a block of 8 / matrix products": each / total,
            "matrix products / gradient": total / seconds["gradient"],
        }
    )
    _timing.write("matrix_products", rows)


if __name__ == "__main__":
    main()
