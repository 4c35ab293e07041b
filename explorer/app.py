"""Looks at minima of Keras models: saved models and finished studies.

Started with `streamlit run explorer/app.py -- --runs runs`.
"""

import pathlib
import sys

import streamlit as st


def main() -> None:
    """Draws the page, as `views.page` has it."""
    # A file: icons of the browser's tab by name would come from the network.
    icon = pathlib.Path(__file__).with_name("icon.svg")
    st.set_page_config(
        page_title="keras_sharpness", page_icon=icon, layout="wide"
    )
    st.logo(icon, size="large")
    place = st.empty()
    if "views.page" not in sys.modules:
        # The first page of a server: an empty chart lets the browser fetch
        # what draws charts while Python imports what makes them. Either takes
        # a large part of a second.
        place.vega_lite_chart(
            {"data": {"values": []}, "mark": "point", "width": 1, "height": 1}
        )
    from views import page

    place.empty()
    page.show()


main()
