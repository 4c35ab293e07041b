"""What is looked at: the source, its minima, and the data."""

import dataclasses

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import (
    MemoryUploadedFileManager,
)
from streamlit.runtime.scriptrunner import get_script_run_ctx
from work.data import DataChoice, installed_sets
from work.losses import LOSSES
from work.minimum import Minimum
from work.source import Source

from keras_sharpness.saving import ModelFileError, keras_version_problem
from views.figure import download
from views.state import session
from views.text import counted, plain

DEMO, FILES = "demo pair", "dropped files"
_LIMIT = 200  # MB
# At first: as many as have colours of their own.
_MOST_SHOWN = 6
BATCH_NORM = {
    "inference": "moving statistics",
    "batch": "each batch's own",
    "recalibrate": "estimated anew at every point",
}


def choose(studies: list[str]) -> str:
    """Lets the reader choose the source; it is part of the address.

    Args:
        studies: List of str, the newest first.

    Returns:
        Str.
    """
    names = [*studies, DEMO]
    if session().minima or st.query_params.get("study") == FILES:
        names.append(FILES)
    asked = st.query_params.get("study")
    if asked is not None and asked not in names:
        st.warning(
            f"There is no study {plain(asked)} any more. This is another one.",
            icon=":material/search_off:",
        )
    with st.sidebar:
        return st.selectbox(
            "Minima of",
            names,
            key="study",
            bind="query-params",
            filter_mode="fuzzy" if len(names) > 8 else None,
        )


def drop_models() -> None:
    """Where model files are dropped, and what was wrong with the last ones."""
    with st.sidebar, st.expander("Open model files", icon=":material/upload:"):
        problem = keras_version_problem()
        if problem:
            st.warning(plain(problem))
            return
        for name, error in st.session_state.pop("refused", []):
            st.error(plain(error), title=plain(name))
        # A new key empties the widget: the bytes are kept once, on the disk.
        turn = st.session_state.setdefault("model_turn", 0)
        st.file_uploader(
            f"`.keras` files, at most {_LIMIT} MB each",
            type=["keras"],
            accept_multiple_files=True,
            max_upload_size=_LIMIT,
            key=f"models-{turn}",
            on_change=_take_models,
            args=(f"models-{turn}",),
            help="Inspected before anything opens them; forgotten when the "
            "browser leaves.",
        )
        for name in list(session().minima):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(plain(name))
                st.button(
                    "Close",
                    key=f"close-{name}",
                    type="tertiary",
                    on_click=session().remove,
                    args=(name,),
                )


def _take_models(key: str) -> None:
    refused, taken = [], []
    for file in st.session_state[key]:
        try:
            taken.append(session().add_model(file.name, file.getvalue()))
        except ModelFileError as error:
            refused.append((file.name, str(error)))
        _release(file.file_id)
    st.session_state["refused"] = refused
    st.session_state["model_turn"] += 1
    if taken:
        st.session_state["study"] = FILES
        st.session_state["minima"] = list(session().minima)


def _release(file_id: str) -> None:
    """Frees the memory of an upload; Streamlit keeps it for the session."""
    context = get_script_run_ctx()
    manager = context and context.uploaded_file_mgr
    if isinstance(manager, MemoryUploadedFileManager):
        manager.remove_file(context.session_id, file_id)


def choose_minima(source: Source) -> list[Minimum]:
    """Lets the reader leave minima out."""
    by_name = {minimum.name: minimum for minimum in source.minima}
    if len(by_name) < 2:
        return list(by_name.values())
    with st.sidebar:
        names = st.pills(
            "Minima",
            list(by_name),
            selection_mode="multi",
            # A file that was just dropped has set its own.
            default=None
            if "minima" in st.session_state
            else list(by_name)[:_MOST_SHOWN],
            key="minima",
            bind="query-params",
        )
    return [by_name[name] for name in by_name if name in names]


def choose_data(default: DataChoice) -> DataChoice:
    """Lets the reader choose samples and loss for what is computed."""
    with st.sidebar, st.expander("Data and loss", icon=":material/database:"):
        archives = session().archives
        sets = list(dict.fromkeys([default.name, *installed_sets(), *archives]))
        name = st.selectbox("Data", sets, key="data", bind="query-params")
        _drop_archive()
        every = default.num_samples is None
        count = st.number_input(
            "Samples, of training and of test data",
            min_value=0,
            value=0 if every else default.num_samples,
            step=500,
            key="samples",
            bind="query-params",
            help="The first ones. 0 takes all.",
        )
        loss = st.selectbox(
            "Loss",
            list(LOSSES),
            format_func=LOSSES.get,
            index=list(LOSSES).index(default.loss),
            key="loss",
            bind="query-params",
        )
        mode = st.selectbox(
            "Batch normalisation",
            list(BATCH_NORM),
            format_func=BATCH_NORM.get,
            index=list(BATCH_NORM).index(default.batch_norm),
            key="batch_norm",
            bind="query-params",
        )
    choice = DataChoice(
        name=name, num_samples=count or None, loss=loss, batch_norm=mode
    )
    if name in archives:
        file = archives[name]
        choice = dataclasses.replace(choice, file=file, sha256=file.stem)
    elif name == default.name:
        choice = dataclasses.replace(choice, digests=default.digests)
    return choice


def _drop_archive() -> None:
    turn = st.session_state.setdefault("archive_turn", 0)
    for name, error in st.session_state.pop("refused_archives", []):
        st.error(plain(error), title=plain(name))
    st.file_uploader(
        f"Own data: an `.npz` archive, at most {_LIMIT} MB",
        type=["npz"],
        max_upload_size=_LIMIT,
        key=f"archive-{turn}",
        on_change=_take_archive,
        args=(f"archive-{turn}",),
        help="With the arrays `x_train`, `y_train`, `x_test` and `y_test`: "
        "uint8 pixels, floats, or whole numbers of words; labels from 0, or "
        "other targets.",
    )


def _take_archive(key: str) -> None:
    file = st.session_state[key]
    if file is None:
        return
    try:
        name = session().add_archive(file.name, file.getvalue())
        st.session_state["data"] = name
    except ModelFileError as error:
        st.session_state["refused_archives"] = [(file.name, str(error))]
    _release(file.file_id)
    st.session_state["archive_turn"] += 1


def show_facts(source: Source) -> None:
    """How the models were trained, and the report for download."""
    study = source.study
    if study is None:
        return
    settings = study.settings
    optimizer = settings["optimizer"]
    rate = optimizer["config"].get("learning_rate")
    facts = {
        "Network": f"{settings['model']}, "
        + counted(settings["num_weights"], "weight"),
        "Data": f"{settings['data']}, "
        f"{settings['num_train']:,} training and "
        f"{settings['num_test']:,} test samples",
        "Training": f"{optimizer['class_name']}, learning rate {rate:g}, at "
        f"most {counted(settings['epochs'], 'epoch')}"
        if isinstance(rate, float)
        else f"{optimizer['class_name']}, at most "
        + counted(settings["epochs"], "epoch"),
        "Seeds": ", ".join(map(str, study.seeds)),
        "Begun": study.folder.created[:16].replace("T", " ") + " UTC",
    }
    with st.sidebar:
        for name, fact in facts.items():
            st.markdown(f":small[:gray[{name}]]  \n{plain(fact)}")
        if study.report.is_file():
            download(
                "Report (HTML)",
                study.report.read_bytes,
                f"{study.folder.name}-report.html",
                "text/html",
            )
