"""The parent's end of a worker: one order, one answer."""

import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent


class WorkerError(Exception):
    """What a worker answered instead of a result."""


class Worker:
    """A worker process; it waits, idle, while it has no order.

    Args:
        script: Str, the file beside this one.
        *arguments: Str, its arguments.
        python: Str, the interpreter of an environment with its framework.
        log: Path that takes what the libraries print.
        environment: Dict of variables added to those of this process.
    """

    def __init__(self, script, *arguments, python, log, environment):
        self._name = script
        self._log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [python, str(HERE / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                bufsize=1,
                env={**os.environ, **environment},
            )

    def ask(self, order, **arguments):
        """The answer, a dict.

        Raises:
            WorkerError: If the order failed; the worker takes the next.
            RuntimeError: If the worker ended.
        """
        self._process.stdin.write(
            json.dumps({"order": order, **arguments}) + "\n"
        )
        line = self._process.stdout.readline()
        if not line:
            tail = self._log.read_text()[-2000:]
            raise RuntimeError(f"{self._name} ended.\n{tail}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
