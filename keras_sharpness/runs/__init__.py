"""A trained model and what was measured of it, as a folder on disk."""

from keras_sharpness.runs.description import RUN_FORMAT
from keras_sharpness.runs.errors import RunFolderError
from keras_sharpness.runs.find_studies import find_studies
from keras_sharpness.runs.run_folder import RunFolder
from keras_sharpness.runs.study_folder import StudyFolder

__all__ = [
    "RUN_FORMAT",
    "RunFolder",
    "RunFolderError",
    "StudyFolder",
    "find_studies",
]
