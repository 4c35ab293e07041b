"""Shows the studies that `keras-sharpness compare` made.

Started with `streamlit run explorer/app.py -- --runs runs`.
"""

import argparse
import pathlib
import sys

import streamlit as st
from study import Study
from views import about, between, compare, sidebar, training, unfinished
from views.errors import shown_errors
from views.text import counted, plain

from keras_sharpness.runs import StudyFolder, find_studies

_TABS = {
    "Compare": compare.show,
    "Between": between.show,
    "Training": training.show,
    "About": about.show,
}


def main() -> None:
    # A file: icons of the browser's tab by name would come from the network.
    icon = pathlib.Path(__file__).with_name("icon.svg")
    st.set_page_config(
        page_title="keras_sharpness", page_icon=icon, layout="wide"
    )
    st.logo(icon, size="large")
    root = runs_folder()
    found = sorted(find_studies(root), key=begun, reverse=True)
    paths = {study_name(path, root): path for path in found}
    if not paths:
        unfinished.show_no_study(root)
        return
    name = sidebar.choose(list(paths))
    with shown_errors("This study"):
        folder = StudyFolder.open(paths[name])
        if folder.settings.get("study") != "compare":
            unfinished.show_other_kind(folder)
        elif not Study.is_finished(folder):
            unfinished.show_unfinished(folder)
        else:
            show_study(Study.read(folder))


def show_study(study: Study) -> None:
    sidebar.show_facts(study)
    settings = study.settings
    st.title(plain(f"{settings['model']} on {settings['data']}"))
    st.caption(
        f"{' against '.join(study.batch_names.values())} · "
        f"{counted(len(study.seeds), 'seed')} · "
        f"{counted(settings['num_weights'], 'weight')} · "
        f"measured on {counted(study.num_samples, 'training sample')}"
    )
    tabs = st.tabs(list(_TABS), key="view", bind="query-params")
    for tab, (label, show) in zip(tabs, _TABS.items(), strict=True):
        if tab.open:
            with tab, shown_errors(label):
                show(study)


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


main()
