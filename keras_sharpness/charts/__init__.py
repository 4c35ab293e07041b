"""Results as Altair charts, files and reports."""

from keras_sharpness.charts.batch_sizes import batch_size_chart
from keras_sharpness.charts.bundle import bundle_chart
from keras_sharpness.charts.connection import connection_chart
from keras_sharpness.charts.density import density_chart
from keras_sharpness.charts.eigenvalues import eigenvalue_chart
from keras_sharpness.charts.epochs import epochs_chart
from keras_sharpness.charts.export import to_csv, to_png, to_svg
from keras_sharpness.charts.groups import group_chart
from keras_sharpness.charts.interpolation import interpolation_chart
from keras_sharpness.charts.relative import relative_chart
from keras_sharpness.charts.report import Section, report_html, write_report
from keras_sharpness.charts.sharpness import sharpness_chart
from keras_sharpness.charts.surface import surface_chart
from keras_sharpness.charts.theme import chart_config, themed
from keras_sharpness.charts.training import training_chart

__all__ = [
    "Section",
    "batch_size_chart",
    "bundle_chart",
    "chart_config",
    "connection_chart",
    "density_chart",
    "eigenvalue_chart",
    "epochs_chart",
    "group_chart",
    "interpolation_chart",
    "relative_chart",
    "report_html",
    "sharpness_chart",
    "surface_chart",
    "themed",
    "to_csv",
    "to_png",
    "to_svg",
    "training_chart",
    "write_report",
]
