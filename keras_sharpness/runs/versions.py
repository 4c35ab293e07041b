"""Which software made a file."""

import datetime
import importlib.metadata
import platform

from keras_sharpness.version import __version__

_PACKAGES = ("keras", "tensorflow", "numpy", "scipy")


def installed_versions() -> dict[str, str]:
    """The versions of this package, Python, and what the numbers come from.

    Read from the packages' metadata: nothing is imported.

    Returns:
        Dict from the name to the version, or to `"not installed"`.
    """
    versions = {
        "keras_sharpness": __version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def now() -> str:
    """The date and time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
