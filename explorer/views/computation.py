"""Costs first, then progress with a way to stop, then the result."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from work.jobs import WORKER, Job, Progress
from work.request import Request

from views.errors import shown_errors
from views.state import Look, session
from views.text import PAGE_WIDTH, plain

# Between two looks at a computation.
_SECONDS = 0.5


def results(
    look: Look, requests: Sequence[Request], *, key: str, verb: str = "Compute"
) -> list[Any]:
    """What is there of some computations, and the means to do the rest.

    Args:
        look: `Look`.
        requests: Sequence of `Request`.
        key: Str. Of the buttons.
        verb: Str. What the button says.

    Returns:
        List with a result, a part of one, or None for each request.
    """
    found = [_found(look, request) for request in requests]
    missing = [
        request
        for request, result in zip(requests, found, strict=True)
        if result is None
    ]
    if not missing:
        return found
    job = session().job
    ours = {request.key for request in requests}
    if job is not None and set(job.key) & ours:
        if job.is_active:
            _watch(job.num_partials, key)
        else:
            _ended(job, missing, key)
        if job.request is not None and job.partial is not None:
            found = [
                job.partial
                if result is None and request.key == job.request.key
                else result
                for request, result in zip(requests, found, strict=True)
            ]
    else:
        _offer(missing, key, verb, job)
    return found


def _found(look: Look, request: Request) -> Any:
    result = session().result(request)
    if result is None:
        with shown_errors(request.title):
            # Read once, and the same object for what was drawn of it, until
            # its file changes.
            result = session().stored(
                (request.key, look.source.stored_version(request)),
                lambda: look.source.stored(request),
            )
    return result


def _offer(
    missing: list[Request], key: str, verb: str, other: Job | None
) -> None:
    """The costs, and the button that begins."""
    with st.container(border=True, width=PAGE_WIDTH):
        costs = [request.cost() for request in missing]
        text = costs[0] if len(costs) == 1 else f"{len(costs)} computations"
        seconds = [request.seconds() for request in missing]
        if None not in seconds:
            text += f", about {duration(sum(seconds))}"
        st.markdown(f"**Cost** · {plain(text)}")
        if len(costs) > 1:
            with st.expander("Which ones"):
                for request in missing:
                    names = ", ".join(m.name for m in request.minima)
                    st.markdown(f"- {plain(names)}: {plain(request.cost())}")
        notes = []
        if None in seconds:
            notes.append(
                "How many seconds that takes is known after the first "
                "computation with this network and these samples."
            )
        if "keras" not in sys.modules:
            notes.append("Keras starts first: some seconds more.")
        if other is not None and other.is_active:
            notes.append(f"{other.title} of this page is stopped for it.")
        if notes:
            st.caption(" ".join(notes))
        st.button(
            verb,
            type="primary",
            icon=":material/play_arrow:",
            key=f"compute-{key}",
            on_click=session().start,
            args=(missing,),
        )


@st.fragment(run_every=_SECONDS)
def _watch(seen: int, key: str) -> None:
    """How far the computation is, looked at again and again."""
    job = session().job
    if job is None or not job.is_active or job.num_partials != seen:
        st.rerun()
    progress = job.progress
    with st.container(border=True, width=PAGE_WIDTH):
        ahead = WORKER.ahead_of(job)
        if job.state == "waiting" and ahead:
            st.progress(0.0, f"Another session computes; {ahead} before this.")
        elif progress.total:
            st.progress(
                progress.done / progress.total,
                progress_words(progress, job.later),
            )
        else:
            st.progress(0.0, f"{plain(progress.stage)} …")
        st.button(
            "Stop",
            icon=":material/stop:",
            key=f"stop-{key}",
            on_click=job.stop,
        )


def progress_words(progress: Progress, later: Sequence[Request]) -> str:
    """How far a stage is, and what comes after it.

    Args:
        progress: `Progress`.
        later: Sequence of `Request`.

    Returns:
        Str.
    """
    text = f"{plain(progress.stage)} · {progress.done} of {progress.total}"
    if progress.remaining is not None:
        text += f" · {duration(progress.remaining)} left"
    if later:
        text += f" · then {len(later)} more"
        seconds = [request.seconds() for request in later]
        if None not in seconds:
            text += f", about {duration(sum(seconds))}"
    return text


def duration(seconds: float) -> str:
    """E.g. `"8 s"` and `"2 min 10 s"`."""
    seconds = max(1, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _ended(job: Job, missing: list[Request], key: str) -> None:
    """After a stop or a failure: what now."""
    begin: Callable = session().start
    if job.state == "stopped":
        with st.container(border=True, width=PAGE_WIDTH):
            has_part = job.partial is not None
            st.markdown(
                "**Stopped.** "
                + ("What is drawn is a part. " if has_part else "")
                + "It can go on."
            )
            st.button(
                "Go on",
                icon=":material/play_arrow:",
                key=f"go-on-{key}",
                on_click=begin,
                args=(missing,),
            )
        return
    with st.container(width=PAGE_WIDTH):
        st.error(
            plain(job.message),
            title=f"{job.title} failed",
            icon=":material/error:",
        )
        st.button(
            "Try again",
            icon=":material/refresh:",
            key=f"again-{key}",
            on_click=begin,
            args=(missing,),
        )
