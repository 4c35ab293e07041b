"""All eigenvalues of the Hessian, as a density."""

from typing import Any

import altair as alt
import streamlit as st
from work.spectrum import Spectrum

from keras_sharpness.charts import density_chart
from views.computed import show_computed
from views.state import Look

# As many as the chart tells apart.
_MOST = 6
_ABOUT = r"""
The share of the eigenvalues of the Hessian ∇²f(w) at each place,

$$\varphi(\lambda) = \frac{1}{P}\sum_i
\mathcal{N}(\lambda;\, \lambda_i,\, \sigma^2),$$

smoothed by a narrow Gaussian. Almost all of them are near 0: in those
directions the loss is flat. The few on the right are the sharp directions;
the further they reach, the sharper is the minimum. Eigenvalues left of 0 are
directions along which the loss curves downwards.

Estimated by stochastic Lanczos quadrature from random probes
([Ghorbani et al. 2019](https://arxiv.org/abs/1901.10159)). The band is what
the probes leave uncertain, not what the smoothing does.
"""


def show(look: Look) -> None:
    """The page: the spectral density of every minimum."""
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
    there = show_computed(
        look,
        requests,
        draw=_draw,
        options={"log_density": log_density},
        name="spectrum",
        about=_ABOUT,
    )
    if there:
        _show_traces(there)


def _draw(
    requests: list[Spectrum], densities: list[Any], **options: Any
) -> alt.LayerChart:
    names = [request.minima[0].name for request in requests]
    return density_chart(dict(zip(names, densities, strict=True)), **options)


def _show_traces(there: list[tuple[Spectrum, Any]]) -> None:
    columns = st.columns(max(2, len(there)))
    for column, (request, result) in zip(columns, there, strict=False):
        with column:
            st.metric(
                f"Trace, {request.minima[0].name}",
                f"{result.trace:.4g} ± {result.trace_standard_error:.2g}",
            )
            st.caption(
                f"About {100 * result.negative_share:.0f} % of the eigenvalues "
                f"are negative; {100 * result.unresolved_share:.0f} % lie too "
                f"near 0 to tell. {result.num_products} products, "
                f"{result.seconds:.1f} s."
            )
