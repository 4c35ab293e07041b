"""What is measured: networks, rows of the table, libraries, accuracies."""

import dataclasses

OURS = "keras_sharpness"
KERAS = "Keras"
PYTORCH = "PyTorch"
CURVLINOPS = "curvlinops"
EIGENTHINGS = "hessian-eigenthings"
PYHESSIAN = "PyHessian"
LIBRARIES = (OURS, KERAS, PYTORCH, CURVLINOPS, EIGENTHINGS, PYHESSIAN)
# By the worker of Keras; the others by that of PyTorch.
IN_KERAS = (OURS, KERAS)
# That have gradients alone.
FRAMEWORKS = (KERAS, PYTORCH)


@dataclasses.dataclass(frozen=True)
class Case:
    """One network and its data, the same for every library.

    Args:
        title: Str, for people.
        samples: Int. Samples of all rows but the density.
        density_samples: Int. Samples of the density, whose 800 products by
            each library would take an hour otherwise.
        batch_size: Int. Divides both, or holds them: hessian-eigenthings gives
            a short last batch the weight of a full one.
    """

    title: str
    samples: int
    density_samples: int
    batch_size: int


# Samples, inputs and units of a dense layer of F1: one product of matrices,
# float32, by which each framework's speed on the machine is told.
MATRIX_PRODUCT = (2000, 512, 512)
# The networks are trained on these; what is measured is the first of them.
TRAINING_SAMPLES = 2000
# On so many every library works before its memory is looked at: enough to load
# all that it loads, as TensorFlow loads XLA for what is worth compiling.
FEW_SAMPLES = 32
# One batch for all libraries, as in curvlinops' own published benchmark.
CASES = {
    "f1": Case("F1", 2000, 250, 2000),
    "c1": Case("C1", 100, 25, 100),
    "resnet": Case("ResNet", 100, 25, 100),
    "transformer": Case("Transformer", 100, 25, 100),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        title: Str, for people.
        repeats: Int. Timed calls at most, of which the median counts.
        share: Int. Vectors of one call; the time is divided by it.
        processes: Int. In so many the memory is looked at; the median counts.
        gradients: Int. In every turn so many gradients are timed beside ours,
            by `IN_KERAS` each: the unit of the row's cost.
    """

    title: str
    repeats: int
    share: int = 1
    processes: int = 1
    gradients: int = 0


BLOCK = 8
NUM_EIGENVALUES = 5
EIGENVALUE_TOLERANCE = 1e-3
TRACE_ERROR = 0.05
# As many as ours takes at least: fewer say little of their own spread.
LEAST_PROBES = 16
# In a block of more, two blocks would have to tell curvlinops' spread.
TRACE_BLOCK = 4
NUM_PROBES = 10
NUM_STEPS = 80

ROWS = {
    "gradient": Row("gradient", 15, processes=5),
    "product": Row("Hessian product", 11, processes=5, gradients=1),
    # A call takes as long as many gradients: so many settle their median.
    "block": Row(
        f"Hessian product, each of {BLOCK}",
        9,
        share=BLOCK,
        processes=5,
        gradients=3,
    ),
    "gauss_newton": Row("Gauss-Newton product", 11, processes=5),
    "eigenvalues": Row(
        f"top {NUM_EIGENVALUES} eigenvalues, residual {EIGENVALUE_TOLERANCE:g}",
        3,
    ),
    "trace": Row(f"trace to {TRACE_ERROR:.0%}", 3),
    "density": Row(f"spectral density, {NUM_PROBES} x {NUM_STEPS}", 1),
}

# Relative differences between the two frameworks, in float32.
AGREEMENT = 1e-4
KNOWN_ERRORS = {
    ("transformer", CURVLINOPS, "product"): "PyTorch's forward over reverse "
    "mode, as curvlinops uses it (`jvp` of `jacrev`), is wrong for the weight "
    "of LayerNorm, in float64 as well; reverse over reverse mode is right",
}
# Why a library has no number in a row.
MISSING = {
    **{
        (framework, row): f"{framework} alone has no such function"
        for framework in FRAMEWORKS
        for row in ROWS
        if row != "gradient"
    },
    **{
        (library, "gradient"): "PyTorch's own"
        for library in (CURVLINOPS, EIGENTHINGS, PYHESSIAN)
    },
    **{
        (library, "block"): "multiplies one vector at a time"
        for library in (EIGENTHINGS, PYHESSIAN)
    },
    (PYHESSIAN, "gauss_newton"): "has no Gauss-Newton matrix",
}
