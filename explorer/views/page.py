"""The page: what is looked at, and the views of it as tabs."""

import argparse
import pathlib
import sys

import streamlit as st
from altair.utils.schemapi import debug_mode
from work.source import DEMO, Source, study_source

from keras_sharpness.runs import find_studies
from views import (
    about,
    around,
    between,
    compare,
    sidebar,
    spectrum,
    study_page,
    training,
    unfinished,
)
from views.errors import shown_errors
from views.state import Look, session
from views.text import plain

_TABS = {
    "Compare": compare.show,
    "Between": between.show,
    "Around": around.show,
    "Spectrum": spectrum.show,
    "Training": training.show,
    "Study": study_page.show,
    "About": about.show,
}


def show() -> None:
    """Draws the page of the study, or the files, that the reader chose."""
    # Altair checks every part of a chart against its schema, which takes
    # longer than all the rest; the tests check the charts.
    with debug_mode(False):
        _show()


def _show() -> None:
    root = runs_folder()
    found = sorted(find_studies(root), key=begun, reverse=True)
    paths = {study_name(path, root): path for path in found}
    name = sidebar.choose(list(paths))
    sidebar.drop_models()
    with shown_errors("This study"):
        if name == sidebar.FILES:
            source = Source(
                name, "Dropped files", tuple(session().minima.values())
            )
        else:
            path = DEMO if name == sidebar.DEMO else paths[name]
            source = study_source(name, path)
        show_source(source)


def show_source(source: Source) -> None:
    """Draws what there is of a study, the demo pair or dropped files."""
    minima = sidebar.choose_minima(source)
    data = sidebar.choose_data(source.data)
    sidebar.show_facts(source)
    st.title(plain(source.title))
    if source.name == sidebar.DEMO:
        st.caption(
            "The pair that ships with the package: one network, trained with "
            "a small and with a large batch from the same start. Which of the "
            "two minima is sharper, which one does better on test data, and "
            "what lies between them?"
        )
    if source.name == sidebar.FILES and not source.minima:
        unfinished.show_no_files()
        return
    look = Look(source, minima, data)
    tabs = st.tabs(list(_TABS), key="view", bind="query-params")
    for tab, (label, show) in zip(tabs, _TABS.items(), strict=True):
        if tab.open:
            with tab, shown_errors(label):
                show(look)


def runs_folder() -> pathlib.Path:
    """The folder given as `--runs`."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--runs", type=pathlib.Path, default="runs")
    try:
        options, unknown = parser.parse_known_args(sys.argv[1:])
        problem = f"unknown: {' '.join(unknown)}" if unknown else ""
    except argparse.ArgumentError as error:
        problem = str(error)
    if problem:
        st.error(
            f"{plain(problem)}. Start the explorer with "
            "`streamlit run explorer/app.py -- --runs FOLDER`.",
            title="The options are not right",
        )
        st.stop()
    return options.runs


def begun(path: pathlib.Path) -> float:
    """When the study was begun, to show the newest one first."""
    return (path / "study.json").stat().st_mtime


def study_name(path: pathlib.Path, root: pathlib.Path) -> str:
    """What the study is called in the list and in the address."""
    if path == root:
        return path.resolve().name
    return path.relative_to(root).as_posix()
