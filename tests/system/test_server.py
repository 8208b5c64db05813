"""`structloop serve` as a process: it answers, tells what happens, runs jobs, and ends in good order."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.processes import WITHIN_S


@contextmanager
def server(home: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "structloop", "serve", "--port", "0"],
        env={**os.environ, "STRUCTLOOP_HOME": str(home), "PYTHONUNBUFFERED": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "structloop is at " in line:
                yield process, line.split("structloop is at ")[1].split()[0].rstrip("/")
                break
        else:
            raise AssertionError("the server ended before it answered")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:  # noqa: S310  # always http://127.0.0.1
        return json.loads(answer.read())


def post(url: str, body: dict[str, object]) -> Any:
    request = urllib.request.Request(  # noqa: S310  # always http://127.0.0.1
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:  # noqa: S310  # always http://127.0.0.1
        return json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_browser_imports_a_folder_and_hears_of_it(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rawimages" / "2026" / "EM0001" / "1"
    folder.mkdir(parents=True)
    for column in range(1, 5):
        Image.new("RGB", (64, 64), (column * 40, 90, 90)).save(
            folder / f"FORMULATRIX_EM0001_1_05-01-2026_A{column:02d}_1_Vis.jpg"
        )
    with server(home, STRUCTLOOP_IMPORT_ROOTS=json.dumps([str(tmp_path)]), STRUCTLOOP_SETTLE_S="0") as (process, url):
        heard: list[str] = []
        listening = threading.Thread(target=_listen, args=(f"{url}/api/v1/events", heard), daemon=True)
        listening.start()
        job = post(f"{url}/api/v1/imports", {"path": str(tmp_path / "rawimages")})
        until = time.monotonic() + WITHIN_S
        while get(f"{url}/api/v1/jobs/{job['id']}")["state"] not in ("succeeded", "failed"):
            assert time.monotonic() < until
            time.sleep(0.1)
        plates = get(f"{url}/api/v1/plates")
        assert plates["items"][0]["image_count"] == 4
        while not {"event: job", "event: plates"} <= set(heard):
            assert time.monotonic() < until, heard
            time.sleep(0.1)
        # A listener stays connected; the server ends all the same.
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
        listening.join(WITHIN_S)
        assert not listening.is_alive()


def _listen(url: str, heard: list[str]) -> None:
    with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:  # noqa: S310  # always http://127.0.0.1
        for line in answer:
            heard.append(line.decode().strip())  # noqa: PERF401  # one by one, as they come
