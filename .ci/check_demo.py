"""Waits for the demo that the README's first command starts, and looks at what it serves: interface, plate, scores."""

import argparse
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

LIMIT_S = 900


def fetch(url: str) -> bytes:
    """The body of a page of the demo's server."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # always http://127.0.0.1
        body: bytes = answer.read()
    return body


def fetch_json(url: str) -> Any:
    """The JSON that the server answers."""
    return json.loads(fetch(url))


def is_running(process: int) -> bool:
    """Whether the demo's process is still there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_scored_plate(server: str, process: int) -> dict[str, Any]:
    """The demo's plate, once every experiment on it is scored."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        if not is_running(process):
            raise SystemExit("the demo ended before its plate was scored")
        try:
            plates: list[dict[str, Any]] = fetch_json(f"{server}/api/v1/plates")["items"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            plates = []
        done = [plate for plate in plates if plate["experiment_count"] and plate["state"] == "scored"]
        if done:
            return done[0]
        time.sleep(1)
    raise SystemExit(f"no scored plate after {LIMIT_S} s")


def main() -> None:
    """Fails with a message where anything that the demo promises is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--process", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    server = arguments.server
    try:
        plate = wait_for_scored_plate(server, arguments.process)
    except SystemExit:
        print(arguments.log.read_text(encoding="utf-8", errors="replace")[-5000:])
        raise
    page = fetch(f"{server}/").decode()
    if 'id="root"' not in page:
        raise SystemExit(f"the interface is not served at {server}/; the answer was:\n{page[:500]}")
    plate_map = fetch_json(f"{server}/api/v1/plates/{plate['id']}/map")
    cells = plate_map["cells"]
    without = [cell for cell in cells if cell["probability"] is None]
    both = [cell for cell in cells if cell["image_visible_id"] and cell["image_uv_id"]]
    if not cells or without or not both:
        raise SystemExit(f"{len(cells)} cells, {len(without)} without probability, {len(both)} with both modalities")
    picture = fetch(f"{server}/api/v1/images/{cells[0]['image_visible_id']}/thumbnail")
    print(
        f"plate {plate['barcode']}: {len(cells)} drops scored, {plate['hit_count']} hits, best "
        f"{plate['best_probability']:.3f}; interface {len(page)} bytes, first thumbnail {len(picture)} bytes"
    )


if __name__ == "__main__":
    main()
