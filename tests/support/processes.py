"""Processes that tests start, kill and wait for: none outlives its test, and a busy machine is given time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WITHIN_S = 150.0
"""How long a test waits for another process: what hangs fails all the same, what is slow does not."""


@contextmanager
def started(output: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`structloop ARGUMENTS` as a process that is killed where it still runs at the end.

    Args:
        output: Takes all that it prints.
        *arguments: Of the command line.
        **variables: Of its environment, beside those of the test.
    """
    command = [sys.executable, "-m", "structloop", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "STRUCTLOOP_THREADS": "1"} | variables
    with output.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finished(output: Path, *arguments: str, **variables: str) -> str:
    """What `structloop ARGUMENTS` prints; the test fails where it does not end well."""
    with started(output, *arguments, **variables) as process:
        code = process.wait(WITHIN_S)
    told = output.read_text()
    assert code == 0, told
    return told


def until(holds: Callable[[], bool], process: subprocess.Popen[bytes], output: Path) -> None:
    """Waits until something holds while a process runs."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.01)


__all__ = ["WITHIN_S", "finished", "started", "until"]
