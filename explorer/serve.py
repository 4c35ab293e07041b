"""Starts the explorer for tests, measurements and pictures of it."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

APP = pathlib.Path(__file__).with_name("app.py")
# Patience, not expectation: what takes longer hangs.
SECONDS = 60


@contextlib.contextmanager
def served(
    folder: pathlib.Path, *arguments: str, app: pathlib.Path = APP
) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server on a free port, that ends with the block.

    Args:
        folder: Path of a folder for its log; it is started there.
        *arguments: Str. Those of the app.
        app: Path of the script.

    Yields:
        The address, and the process.

    Raises:
        RuntimeError: If it does not come up; with its log.
    """
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    command += ["--server.headless", "true", "--server.port", str(port)]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--", *arguments],
            # Far from the repository: settings and modules are found anyway.
            cwd=folder,
            stdout=output,
            stderr=output,
            # What is left behind is found.
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        _wait(f"http://localhost:{port}/_stcore/health", server, log)
        yield f"http://localhost:{port}/", server
    finally:
        server.terminate()
        server.wait(SECONDS)


def _wait(url: str, server: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"The server did not start:\n{log.read_text()}")
