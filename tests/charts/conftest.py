"""What the tests of the charts share."""

import pytest
import vl_convert


@pytest.fixture
def compiled():
    """Draws a chart, with Vega-Lite's warnings on standard error."""

    def draw(chart):
        return vl_convert.vegalite_to_svg(chart.to_dict(), show_warnings=True)

    return draw
