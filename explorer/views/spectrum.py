"""All eigenvalues of the Hessian, as a density."""

import pandas as pd
import streamlit as st
from work.spectrum import Spectrum

from keras_sharpness.charts import density_chart
from views.computation import results
from views.figure import show_figure
from views.state import Look, drawn

# As many as the chart tells apart.
_MOST = 6
_ABOUT = r"""
The share of the eigenvalues of the Hessian ∇²f(w) at each place,

$$\varphi(\lambda) = \frac{1}{P}\sum_i
\mathcal{N}(\lambda;\, \lambda_i,\, \sigma^2),$$

smoothed by a narrow Gaussian. Almost all of them are near 0: in those
directions the loss is flat. The few on the right are the sharp directions;
the further they reach, the sharper is the minimum. Eigenvalues left of 0 are
directions in which the loss still falls.

Estimated by stochastic Lanczos quadrature from random probes
([Ghorbani et al. 2019](https://arxiv.org/abs/1901.10159)). The band is what
the probes leave uncertain, not what the smoothing does.
"""


def show(look: Look) -> None:
    if not look.minima:
        st.info("Choose at least one minimum in the sidebar.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        num_probes = st.slider(
            "Probes", 1, 40, 10, key="probes", bind="query-params", width=240
        )
        num_steps = st.slider(
            "Lanczos steps",
            10,
            120,
            60,
            10,
            key="lanczos",
            bind="query-params",
            width=240,
        )
        seed = st.number_input(
            "Seed", 0, value=0, key="seed", bind="query-params", width=120
        )
        log_density = st.toggle(
            "Logarithmic density", True, key="log_density", bind="query-params"
        )
    minima = look.minima[:_MOST]
    if len(minima) < len(look.minima):
        st.caption(f"The first {_MOST} of the minima chosen.")
    requests = [
        Spectrum(
            minima=(minimum,),
            data=look.data,
            num_probes=num_probes,
            num_steps=num_steps,
            seed=seed,
        )
        for minimum in minima
    ]
    found = results(look, requests, key="spectrum")
    there = [
        (minimum, request, result)
        for minimum, request, result in zip(
            minima, requests, found, strict=True
        )
        if result is not None
    ]
    if not there:
        return
    show_figure(
        drawn(
            lambda: density_chart(
                {minimum.name: result for minimum, _, result in there},
                log_density=log_density,
            ),
            *(minimum.name for minimum, _, _ in there),
            *(result for _, _, result in there),
            log_density,
        ),
        pd.concat(
            [r.to_frame().assign(minimum=m.name) for m, _, r in there],
            ignore_index=True,
        ),
        name=f"{look.source.name}-spectrum",
        about=_ABOUT,
        requests=[request for _, request, _ in there],
        results=[result for _, _, result in there],
        colors=[look.color(minimum) for minimum, _, _ in there],
    )
    columns = st.columns(max(2, len(there)))
    for column, (minimum, _, result) in zip(columns, there, strict=False):
        with column:
            st.metric(
                f"Trace, {minimum.name}",
                f"{result.trace:.4g} ± {result.trace_standard_error:.2g}",
            )
            st.caption(
                f"{100 * result.negative_share:.1f} % of the eigenvalues are "
                f"negative, {100 * result.unresolved_share:.0f} % too near 0 "
                f"to tell. {result.num_products} products, "
                f"{result.seconds:.1f} s."
            )
