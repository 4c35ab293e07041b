"""What the pages share: who is looking, at what."""

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any

import streamlit as st
from work.data import DataChoice
from work.minimum import Minimum
from work.session import Session
from work.source import Source

_PLAIN = (str, int, float, bool, tuple, type(None))
_MOST_CHARTS = 16


@dataclasses.dataclass(frozen=True)
class Look:
    """What the reader has chosen for all pages.

    Attributes:
        source: `Source`.
        minima: List of `Minimum`, those chosen in the sidebar.
        data: `DataChoice` for computations.
    """

    source: Source
    minima: list[Minimum]
    data: DataChoice

    def color(self, minimum: Minimum) -> int:
        """The place of its colour among those of the charts."""
        return self.source.groups.index(minimum.group or minimum.name)


def drawn(draw: Callable[[], Any], *made_from: Any) -> Any:
    """A chart that was drawn before, or a new one.

    Altair takes longer to put a chart together than all else on a page.

    Args:
        draw: Callable that returns the chart.
        *made_from: What it depends on: results, which are told apart by
            identity, and settings.

    Returns:
        An Altair chart.
    """
    key = tuple(
        part if isinstance(part, _PLAIN) else id(part) for part in made_from
    )
    charts = session().charts
    if key not in charts:
        while len(charts) >= _MOST_CHARTS:
            charts.pop(next(iter(charts)))
        # With what it was made from: identities are not used again.
        charts[key] = draw(), made_from
    return charts[key][0]


def session() -> Session:
    """What this reader has dropped and computed."""
    token = st.session_state.setdefault("session", secrets.token_hex(16))
    return _session(token)


@st.cache_resource(
    scope="session", on_release=Session.close, show_spinner=False
)
def _session(token: str) -> Session:  # noqa: ARG001  # the key
    """Streamlit closes what this returns when the browser has left."""
    return Session()
