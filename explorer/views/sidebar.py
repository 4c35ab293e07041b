"""The choice of the study, and what it is about."""

import streamlit as st
from study import Study

from views.figure import download
from views.text import counted, plain


def choose(names: list[str]) -> str:
    """Lets the reader choose a study; the choice is part of the address.

    Args:
        names: List of str, at least one.

    Returns:
        Str.
    """
    asked = st.query_params.get("study")
    if asked is not None and asked not in names:
        st.warning(
            f"There is no study {plain(asked)} any more. This is another one.",
            icon=":material/search_off:",
        )
    with st.sidebar:
        st.markdown("### keras_sharpness")
        return st.selectbox(
            "Study",
            names,
            key="study",
            bind="query-params",
            filter_mode="fuzzy" if len(names) > 8 else None,
        )


def show_facts(study: Study) -> None:
    """How the models were trained, and the report for download."""
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
