"""A figure of what is computed on demand: cost, progress, chart, recipe."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
from work.recipes import computed
from work.request import Request

from views.computation import results
from views.figure import show_figure
from views.state import Look, drawn


def show_computed(
    look: Look,
    requests: Sequence[Request],
    *,
    draw: Callable[..., alt.TopLevelMixin],
    options: Mapping[str, Any],
    name: str,
    about: str,
    prepare: Callable[[list[Any]], list[Any]] = list,
    told: Callable[[list[Any], dict[str, Any]], None] | None = None,
    **figure: Any,
) -> list[tuple[Request, Any]]:
    """Offers computations, and shows the chart of those that are there.

    Args:
        look: `Look`.
        requests: Sequence of `Request` of one kind.
        draw: Callable that takes the requests that are there, their results
            and, as keywords, the options.
        options: Mapping of options of the chart, also for its Python.
        name: Str. What the files are called, after the source.
        about: Str. Markdown that explains what to look at.
        prepare: Callable from the results, or None, to those to draw.
        told: Callable that takes the results and what is selected.
        **figure: Further options of `show_figure`.

    Returns:
        List of the requests that are there, with their results.
    """
    found = prepare(results(look, requests, key=requests[0].kind))
    there = [
        (request, result)
        for request, result in zip(requests, found, strict=True)
        if result is not None
    ]
    if not there:
        return []
    known, shown = (list(part) for part in zip(*there, strict=True))
    names = [m.name for request in known for m in request.minima]
    tables = [result.to_frame() for result in shown]
    if len(requests) > 1:
        tables = [
            table.assign(minimum=request.minima[0].name)
            for request, table in zip(known, tables, strict=True)
        ]
        figure["colors"] = [look.color(r.minima[0]) for r in known]
    if told is not None:
        figure["told"] = functools.partial(told, shown)
    show_figure(
        drawn(
            lambda: draw(known, shown, **options),
            known[0].kind,
            *names,
            *shown,
            repr(options),
        ),
        pd.concat(tables, ignore_index=True),
        name=f"{look.source.name}-{name}",
        about=about,
        recipe=computed(known, shown, options),
        **figure,
    )
    return there
