"""How a script finds the charts that only the explorer draws."""

import pathlib

_FOLDER = pathlib.Path(__file__).parents[1]
FIGURES = f"""import sys

# This chart is the explorer's own.
sys.path.append({str(_FOLDER)!r})
"""
