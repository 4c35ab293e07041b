"""The loss around a minimum: on a plane, and along random directions."""

from typing import Any

import altair as alt
import streamlit as st
from work.architecture import named_alike
from work.around import NORMALIZATIONS, PLANES, Bundle, Surface, SurfaceWithPath
from work.minimum import Minimum

from keras_sharpness.charts import bundle_chart, surface_chart
from views.computed import show_computed
from views.state import Look

# Bundles that the chart tells apart.
_MOST = 6
_ABOUT_SURFACE = r"""
The loss on a plane through the weights,

$$w(\alpha, \beta) = w^* + \alpha\, d_1 + \beta\, d_2.$$

Random directions are **filter-normalised**
([Li et al. 2018](https://arxiv.org/abs/1712.09913)): each filter of d has the
length of that filter of w, so that α = 1 is a step as long as the weights
themselves, and networks of different scales can be compared. Biases and the
parameters of normalisation layers do not move, unless you choose so.

A plane is two directions of very many. On the plane of a training the path is
that of the checkpoints, and each lies at some distance from the plane: its
true loss, in the tooltip, differs from the colour under it.
"""
_ABOUT_BUNDLE = r"""
The loss along single random directions through the minimum, each a thin line.
A sharp minimum is seldom sharp everywhere: it is steep in few directions and
flat in most. The line of a direction tells how it is on the whole, not in the
worst direction, which ε-sharpness searches for.
"""


def show(look: Look) -> None:
    """The page: the loss on a plane, or along random directions."""
    if not look.minima:
        st.info("Choose at least one minimum in the sidebar.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = st.segmented_control(
            "Show",
            ["surface", "directions"],
            default="surface",
            required=True,
            key="what",
            bind="query-params",
        )
        split = st.segmented_control(
            "On",
            ["train", "test"],
            default="train",
            required=True,
            key="split",
            bind="query-params",
        )
        if what == "surface":
            by_name = {minimum.name: minimum for minimum in look.minima}
            name = st.selectbox(
                "Around",
                list(by_name),
                key="around",
                bind="query-params",
                width=260,
            )
    if what == "surface":
        _surface(look, by_name[name], split)
    else:
        _bundle(look, split)


def _surface(look: Look, minimum: Minimum, split: str) -> None:
    trajectory = minimum.trajectory
    planes = [
        plane
        for plane in PLANES
        if (plane != "trajectory" or trajectory)
        and (plane != "models" or len(look.minima) >= 3)
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        plane = st.selectbox(
            "Plane",
            planes,
            help="Two random directions; the two top eigenvectors of the "
            "Hessian; the principal components of the training, where its "
            "checkpoints were kept; a plane through three minima.",
            key="plane",
            bind="query-params",
            width=300,
        )
        num_points = st.slider(
            "Points a side",
            5,
            51,
            25,
            4,
            key="side",
            bind="query-params",
            width=200,
        )
        options = {}
        if plane in ("random", "hessian"):
            options = {"span": _span("α and β up to ±"), "seed": _seed()}
        if plane == "random":
            options |= _normalization()
        value = st.segmented_control(
            "Colour",
            ["loss", "accuracy"],
            default="loss",
            required=True,
            key="value",
            bind="query-params",
        )
        log_loss = st.toggle(
            "Logarithmic loss", key="log_surface", bind="query-params"
        )
    minima = (minimum,)
    if plane == "models":
        others = [m for m in look.minima if m is not minimum]
        minima = (minimum, *others[:2])
    if plane == "trajectory":
        options["trajectory"] = str(trajectory)
    request = Surface(
        minima=minima,
        data=look.data,
        plane=plane,
        num_points=num_points,
        split=split,
        **options,
    )
    shown = {"value": value, "log": log_loss}
    if plane == "trajectory":
        # The plane of a training calls it so.
        shown["names"] = {"end": minimum.name}
    show_computed(
        look,
        [request],
        draw=_draw_surface,
        options=shown,
        name="surface",
        about=_ABOUT_SURFACE,
        selection=["cell"],
        told=_show_cell,
        stretch=False,
    )


def _draw_surface(
    _: list[Surface], found: list[SurfaceWithPath], **options: Any
) -> alt.LayerChart:
    return surface_chart(
        found[0].surface, trajectory=found[0].trajectory, **options
    )


def _show_cell(found: list[SurfaceWithPath], selected: dict[str, Any]) -> None:
    """The exact numbers at the place that was clicked."""
    frame, picked = found[0].to_frame(), selected.get("cell")
    if not picked:
        st.caption("A click on the surface shows the exact loss there.")
        return
    place = {name: float(picked[0][name]) for name in ("alpha", "beta")}
    distance = (frame["alpha"] - place["alpha"]) ** 2 + (
        frame["beta"] - place["beta"]
    ) ** 2
    row = frame.loc[distance.idxmin()]
    with st.container(horizontal=True):
        st.metric("α", f"{row['alpha']:.4g}")
        st.metric("β", f"{row['beta']:.4g}")
        st.metric("Loss", f"{row['loss']:.6g}")
        if row["accuracy"] == row["accuracy"]:
            st.metric("Accuracy", f"{100 * row['accuracy']:.2f} %")


def _bundle(look: Look, split: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.slider(
            "Directions",
            2,
            40,
            10,
            key="directions",
            bind="query-params",
            width=200,
        )
        span, seed = _span("α up to ±"), _seed()
        normalization = _normalization()
        by_layer = st.toggle(
            "Layer by layer", key="by_layer", bind="query-params"
        )
        log_loss = st.toggle(
            "Logarithmic loss", key="log_bundle", bind="query-params"
        )
    minima = look.minima[:_MOST]
    requests = [
        Bundle(
            minima=(minimum,),
            data=look.data,
            num_directions=count,
            span=span,
            seed=seed,
            split=split,
            by_layer=by_layer,
            **normalization,
        )
        for minimum in minima
    ]
    show_computed(
        look,
        requests,
        draw=_draw_bundles,
        options={"log": log_loss},
        name="directions",
        about=_ABOUT_BUNDLE,
        # So that the same layers share a panel.
        prepare=lambda found: named_alike(minima, found) if by_layer else found,
    )


def _draw_bundles(
    requests: list[Bundle], bundles: list[Any], **options: Any
) -> alt.TopLevelMixin:
    names = [request.minima[0].name for request in requests]
    return bundle_chart(dict(zip(names, bundles, strict=True)), **options)


def _span(label: str) -> float:
    return st.slider(
        label,
        0.1,
        3.0,
        1.0,
        0.1,
        key="span",
        bind="query-params",
        width=200,
    )


def _seed() -> int:
    return st.number_input(
        "Seed", 0, value=0, key="plane_seed", bind="query-params", width=120
    )


def _normalization() -> dict[str, str]:
    normalization = st.selectbox(
        "Normalised by",
        NORMALIZATIONS,
        key="normalization",
        bind="query-params",
        width=140,
    )
    moves = st.toggle(
        "Move biases and normalisation", key="move_all", bind="query-params"
    )
    return {
        "normalization": normalization,
        "ignore": "none" if moves else "bias-and-norm",
    }
