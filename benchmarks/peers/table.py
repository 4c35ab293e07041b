"""The results as a page of Markdown."""

import numpy as np
import settings
from settings import (
    BLOCK,
    CASES,
    CURVLINOPS,
    FRAMEWORKS,
    KERAS,
    LIBRARIES,
    OURS,
    ROWS,
)

METHOD = f"""\
Written by `make benchmark`; the numbers with all their digits are in the file
of this name with .json. Times are medians in seconds of calls that took turns
on one machine, nothing else running; they are the time of one call, for the
block that of each of its {BLOCK} vectors. Compilation, construction of an
operator and, for hessian-eigenthings' eigenvalues, the search for the number
of Lanczos steps are not counted. Peers are installed as released, used as
documented and run eagerly, the model in evaluation mode. Every library gets all
samples of a row as one batch, and the same number of threads.

* Eigenvalues: ours and `eigsh` on `to_scipy()` of curvlinops stop by the
  residual; hessian-eigenthings gets the smallest number of steps of a list with
  which all its flags say converged. PyHessian stops by the change of an
  eigenvalue; where its residual, computed here, is larger than asked for, it
  stands behind the time, and the time does not count.
* Trace: Hutchinson's estimator by all. curvlinops gives no error, so that it is
  called for {settings.TRACE_BLOCK} vectors again and again until the spread of
  its answers is small enough; the samples of hessian-eigenthings and PyHessian
  are pooled. No search ends before {settings.LEAST_PROBES} products.
* Density: curvlinops does not orthogonalise its Lanczos vectors again; the
  others do.
* Memory: the rise of Linux's high-water mark of resident memory over its level
  before the first call, in processes started for that row alone, which have
  loaded model and data and have worked on {settings.FEW_SAMPLES} samples. Of
  gradients and products it is that of the second call, and in brackets that of
  the first, which compiles; of the other rows it includes compilation. What is
  kept between products counts: activations by ours, the graph by PyHessian.
  TensorFlow is told to hand freed memory back, in processes of its own; of
  gradients and products it is the median of {ROWS["product"].processes}.
* Keras: the compiled gradient of the loss of `model(x, training=False)`, as its
  users write it.
* Ratios to gradients: to gradients that took turns with the products, as they
  all took turns; not to those of the row of gradients, for a machine is faster
  at some times than at others.
"""


def markdown(record):
    """The page, from what run.py writes as JSON."""
    cells = {
        (cell["network"], cell["row"], cell["library"]): cell
        for cell in record["rows"]
    }
    networks = list(record["num_weights"])
    parts = ["# This package and the PyTorch libraries", METHOD, _setup(record)]
    for network in networks:
        case = CASES[network]
        parts += [
            f"## {case.title}",
            f"{record['num_weights'][network]:,} weights; {case.samples} "
            f"samples, for the spectral density {case.density_samples}.",
            "Seconds:",
            _grid(cells, network, _seconds),
            "Peak memory in MB:",
            _grid(cells, network, _megabytes),
        ]
    parts += ["## Ratios", _ratios(cells, networks)]
    parts += ["## Where a peer is ahead", _behind(cells)]
    parts += ["## Agreement", _agreement(record)]
    notes = _notes(cells)
    if notes:
        parts += ["## Empty cells", notes]
    return "\n\n".join(parts) + "\n"


def is_accurate(cell):
    """Whether a cell is as accurate as its row asks for."""
    # A bound that is met in the solver's float32 may be missed by a hair here.
    return cell.get("residual", 0.0) <= 1.5 * settings.EIGENVALUE_TOLERANCE


def _setup(record):
    versions = ", ".join(
        f"{name} {version}" for name, version in record["versions"].items()
    )
    num_runs = record.get("num_runs", 1)
    runs = "The run" if num_runs == 1 else f"{num_runs} runs"
    return (
        f"{record['machine']}, {record['threads']} threads, Python "
        f"{record['python']}; {versions}. {runs} took "
        f"{record['minutes']:.0f} minutes, in which other processes had "
        f"{record['others']:.1%} of the processor.{_speed(record)}"
    )


def _speed(record):
    speeds = list(record.get("gigaflops", {}).values())
    if not speeds:
        return ""
    rows, length, columns = settings.MATRIX_PRODUCT
    found = ", ".join(
        f"{np.median([each[framework] for each in speeds]):.0f} in {framework}"
        for framework in FRAMEWORKS
    )
    return (
        f" GFLOP/s of a product of matrices ({rows} x {length} x {columns}, "
        f"float32, before each network; the median): {found}."
    )


def _grid(cells, network, show):
    libraries = [
        library
        for library in LIBRARIES
        if any(key[0] == network and key[2] == library for key in cells)
    ]
    lines = ["| | " + " | ".join(libraries) + " |"]
    lines.append("| --- |" + " ---: |" * len(libraries))
    for row in ROWS:
        if (network, row, OURS) in cells:
            shown = [
                show(cells.get((network, row, each), {"library": each}))
                for each in libraries
            ]
            lines.append(f"| {ROWS[row].title} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _seconds(cell):
    if "error" in cell:
        return "fails"
    if "seconds" not in cell:
        return "" if cell["library"] in FRAMEWORKS else "n/a"
    text = _digits(cell["seconds"])
    if not is_accurate(cell):
        text += f" (residual {cell['residual']:.1g})"
    return text


def _megabytes(cell):
    if "peak_bytes" not in cell:
        return _seconds(cell)
    text = f"{cell['peak_bytes'] / 1e6:.0f}"
    if "first_peak_bytes" in cell:
        text += f" ({cell['first_peak_bytes'] / 1e6:.0f})"
    return text


def _digits(value):
    """Three significant digits."""
    return f"{value:#.3g}".rstrip(".")


def _ratios(cells, networks):
    """The ratios that say most, one line per network."""
    titles = (
        "product / curvlinops'",
        "each of a block / curvlinops'",
        "product / our gradient",
        "each of a block / our gradient",
        "product / Keras' gradient",
        "each of a block / Keras' gradient",
        "memory of a product / our gradient's",
        "/ Keras' gradient's",
    )
    lines = ["| | " + " | ".join(titles) + " |"]
    lines.append("| --- |" + " ---: |" * len(titles))
    for network in networks:

        def value(row, library=OURS, key="seconds", network=network):
            return cells.get((network, row, library), {}).get(key, float("nan"))

        def in_gradients(row, framework, network=network):
            # Records of earlier versions have gradients in their own row alone.
            seconds = value(row, key="gradient_seconds", network=network)
            if not isinstance(seconds, dict):
                return float("nan")
            return value(row, network=network) / seconds[framework]

        ratios = (
            value("product") / value("product", CURVLINOPS),
            value("block") / value("block", CURVLINOPS),
            *(
                in_gradients(row, framework)
                for framework in (OURS, KERAS)
                for row in ("product", "block")
            ),
            *(
                value("product", key="peak_bytes")
                / value("gradient", framework, key="peak_bytes")
                for framework in (OURS, KERAS)
            ),
        )
        shown = " | ".join(
            "n/a" if np.isnan(ratio) else f"{ratio:.2f}" for ratio in ratios
        )
        lines.append(f"| {CASES[network].title} | {shown} |")
    return "\n".join(lines)


def _behind(cells):
    lines = []
    for (network, row, library), cell in cells.items():
        own = cells[network, row, OURS]
        if (
            library != OURS
            and "seconds" in cell
            and "seconds" in own
            and is_accurate(cell)
            and cell["seconds"] < own["seconds"]
        ):
            ratio = own["seconds"] / cell["seconds"]
            lines.append(
                f"* {CASES[network].title}, {ROWS[row].title}: {library}, "
                f"{ratio:.2f} times as fast."
            )
    return "\n".join(lines) or "Nowhere."


def _agreement(record):
    lines = [
        "Relative differences from ours: of norms, of the eigenvalues the "
        "largest. More than allowed stands in bold.",
        "",
        "| network | value | library | difference | at most |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    reasons = []
    for each in record["agreement"]:
        difference = f"{each['difference']:.1e}"
        if not each["difference"] <= each["at_most"]:
            difference = f"**{difference}**"
            if "reason" in each:
                reasons.append(
                    f"{CASES[each['network']].title}, {each['library']}, "
                    f"{each['value']}: {each['reason']}."
                )
        lines.append(
            f"| {CASES[each['network']].title} | {each['value']} | "
            f"{each['library']} | {difference} | {each['at_most']:.1e} |"
        )
    return "\n".join([*lines, "", *reasons])


def _notes(cells):
    """Why a cell holds no number, each reason once."""
    reasons = {}
    for (_, row, library), cell in cells.items():
        if library in FRAMEWORKS:
            continue
        reason = cell.get("missing")
        if "error" in cell:
            reason = f"fails: {cell['error']}"
        if reason is not None:
            reasons.setdefault((row, library), reason)
    return "\n".join(
        f"* {library}, {ROWS[row].title}: {reason}."
        for (row, library), reason in reasons.items()
    )
