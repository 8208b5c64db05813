"""A live run: it waits while the disk is full, stops when told to, and says when it falls behind."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from structloop.exposures import running
from structloop.exposures.finding import Source
from structloop.exposures.listing import list_sessions
from structloop.exposures.options import ExposureOptions
from structloop.exposures.processing import Job, Processing
from structloop.exposures.running import Event, RunResult, run
from structloop.exposures.throughput import Rates, Throughput
from structloop.exposures.tools import Tools
from structloop.exposures.watching import Watch
from structloop.imaging.mrc_writing import write_mrc
from structloop.store import Database
from support.exposures import write_exposure


def watch(
    store: Database, tmp_path: Path, on_event: Callable[[Event], None], stop: threading.Event | None = None
) -> RunResult:
    job = Job(tmp_path / "out", ExposureOptions(threads=1), Tools(), str(tmp_path), watched=True)
    feed = Watch(Source(str(tmp_path), leave_out=(tmp_path / "out",)), settle_s=0.0)
    with Processing(store, job) as opened:
        return run(opened, feed, workers=1, stop=stop or threading.Event(), idle_s=0.2, on_event=on_event)


def test_a_full_disk_is_waited_for(store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        write_exposure(tmp_path / f"{name}.mrcs", ord(name), side=256, frames=3)
    left = [3]

    def write_or_not(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_mrc(*arguments)

    monkeypatch.setattr("structloop.exposures.pipeline.write_mrc", write_or_not)
    monkeypatch.setattr(running, "_FULL_WAIT_S", 0.05)
    events: list[Event] = []
    result = watch(store, tmp_path, events.append)
    assert (result.processed, result.failed, result.stopped) == (2, {}, False)
    assert any("is full; free some space, and the rest goes on; waiting for space" in each.text for each in events)
    assert (tmp_path / "out" / "exposures.csv").exists()


def test_it_ends_after_what_is_under_way(store: Database, tmp_path: Path) -> None:
    for name in "abc":
        write_exposure(tmp_path / f"{name}.mrcs", ord(name), side=256, frames=3)
    stop = threading.Event()

    def stop_at_first(event: Event) -> None:
        if event.record is not None:
            stop.set()

    result = watch(store, tmp_path, stop_at_first, stop)
    assert (result.processed, result.stopped, result.left) == (1, True, 2)
    assert (list_sessions(store)[0].state, list_sessions(store)[0].waiting) == ("stopped", 2)
    again = watch(store, tmp_path, lambda _event: None)
    assert (again.known, again.processed, list_sessions(store)[0].state) == (1, 2, "finished")


def test_falling_behind_is_told_once_and_stands_in_the_store(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exposure(tmp_path / "a.mrcs", 1, side=256, frames=3)
    seen: list[str | None] = []
    words = "falling behind: 600 exposures an hour come, 400 are done"

    def rates(_self: Throughput, _now: float, waiting: int) -> Rates:
        seen.extend(each.behind for each in list_sessions(store)[:1])
        return Rates(waiting, 600.0, 400.0, 60.0, words)

    monkeypatch.setattr(Throughput, "rates", rates)
    monkeypatch.setattr(running, "_BEAT_S", 0.0)
    events: list[Event] = []
    watch(store, tmp_path, events.append)
    assert [each.text for each in events if each.text] == [words]
    assert words in seen
    # Ended, nothing falls behind any more.
    assert list_sessions(store)[0].behind is None
