"""`kill -9` at any action of a screening, and a restart: it goes on, and no exposure is repeated.

Each process is really killed (SIGKILL), right after it wrote an entry of its journal: before an action begins
(`intended`), after it was done (`done`), while a montage goes on (`tile`), after a decision (`note`). What was exposed
is told by the microscope, not by the journal: a simulated one appends each exposure to a file before it happens; behind
SerialEM it lives on in this process, as a real one would.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from structloop.grids.screening import ScreeningReport
from structloop.instruments.journal import read_journal
from structloop.instruments.simulated.truth import SELF_MADE, Truth
from structloop.schema.acquisition import EXPOSING
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import Disturbance, Trouble, serving
from support.processes import WITHIN_S
from support.screening import QUICK, Moment, open_simulated, screen_until

pytestmark = pytest.mark.timeout(400)

TRIES = 60


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """New processes that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        # The server of processes does not take over this one's path in Python 3.11.
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("OMP_NUM_THREADS", "1")
        context.set_forkserver_preload(["support.screening"])
        forkserver.ensure_running()
    return context


def run_once(
    processes: ForkServerContext, folder: Path, url: str, moment: Moment | None, spared: list[str]
) -> str | None:
    """Screen in a process; the key it was killed at, or None where it came to its end."""
    killed_at = folder / "killed"
    killed_at.unlink(missing_ok=True)
    process = processes.Process(
        target=screen_until, args=(str(folder), url, moment, tuple(spared), str(killed_at)), daemon=True
    )
    process.start()
    process.join(WITHIN_S)
    assert process.exitcode is not None, "it hangs"
    if process.exitcode == 0:
        return None
    assert process.exitcode == -signal.SIGKILL
    return killed_at.read_text()


def run_to_the_end(
    processes: ForkServerContext, folder: Path, url: str, moment: Moment | None, spared: list[str]
) -> list[str]:
    """Screen, killed once at each key that is not spared, until it comes to its end; the keys it was killed at."""
    killed: list[str] = []
    for _ in range(TRIES):
        key = run_once(processes, folder, url, moment, [*spared, *killed])
        if key is None:
            return killed
        killed.append(key)
    raise AssertionError(f"not at its end after {TRIES} processes")


def report_of(folder: Path) -> ScreeningReport:
    return ScreeningReport.model_validate_json((folder / "report.json").read_text())


def exposed(log: Path) -> Counter[tuple[str, int, float, float]]:
    """How often each place was exposed with each preset, the microscope's own images left out."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return Counter(
        (line["preset"], line["slot"], round(line["x_um"], 2), round(line["y_um"], 2))
        for line in lines
        if line["purpose"] not in SELF_MADE
    )


def exposing_keys(folder: Path) -> list[str]:
    entries = read_journal(folder).entries
    return list(dict.fromkeys(e.key for e in entries if e.entry == "intended" and e.action.kind in EXPOSING))


@pytest.fixture(scope="module")
def whole(processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A screening that nobody killed: its folder, and what was exposed."""
    folder = tmp_path_factory.mktemp("whole")
    log = folder / "exposures.jsonl"
    assert run_to_the_end(processes, folder, f"{QUICK}&exposure_log={log}", None, []) == []
    return folder, log


def test_killed_after_every_action(processes: ForkServerContext, whole: tuple[Path, Path], tmp_path: Path) -> None:
    log = tmp_path / "exposures.jsonl"
    killed = run_to_the_end(processes, tmp_path, f"{QUICK}&exposure_log={log}", "done", [])
    assert len(killed) >= 20
    assert set(exposing_keys(whole[0])) <= set(killed)
    assert report_of(tmp_path).exposures == report_of(whole[0]).exposures
    assert report_of(tmp_path).skipped == ()
    assert max(exposed(log).values()) == 1
    assert sum(exposed(log).values()) == sum(exposed(whole[1]).values())


def test_killed_before_every_action_that_may_be_repeated(
    processes: ForkServerContext, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    log = tmp_path / "exposures.jsonl"
    killed = run_to_the_end(processes, tmp_path, f"{QUICK}&exposure_log={log}", "intended", exposing_keys(whole[0]))
    assert len(killed) >= 15
    assert report_of(tmp_path).exposures == report_of(whole[0]).exposures
    assert max(exposed(log).values()) == 1


def test_killed_after_every_decision_decides_the_same(
    processes: ForkServerContext, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    assert run_once(processes, tmp_path, QUICK, "note", []) == "note"
    assert run_once(processes, tmp_path, QUICK, None, []) is None
    squares = [square.model_dump() for grid in report_of(tmp_path).grids for square in grid.squares]
    expected = [square.model_dump() for grid in report_of(whole[0]).grids for square in grid.squares]
    assert squares[0]["x_um"] == expected[0]["x_um"]
    assert len(report_of(tmp_path).exposures) == 2


@pytest.mark.parametrize("which", range(5))
def test_killed_as_an_exposure_begins_it_is_not_repeated(
    processes: ForkServerContext, whole: tuple[Path, Path], tmp_path: Path, which: int
) -> None:
    keys = exposing_keys(whole[0])
    key = keys[which]
    log = tmp_path / "exposures.jsonl"
    killed = run_once(processes, tmp_path, f"{QUICK}&exposure_log={log}", "intended", _all_but(whole[0], key))
    assert killed == key
    before = exposed(log)
    assert run_once(processes, tmp_path, f"{QUICK}&exposure_log={log}", None, []) is None
    report = report_of(tmp_path)
    assert report.stopped is None
    assert any("may have been taken" in skipped.reason for skipped in report.skipped)
    assert key not in report.exposures
    assert not exposed(log) or max(exposed(log).values()) == 1
    assert all(exposed(log)[place] == times for place, times in before.items())


def _all_but(folder: Path, key: str) -> list[str]:
    entries = read_journal(folder).entries
    return [entry.key for entry in entries if entry.entry == "intended" and entry.key != key]


def test_killed_in_the_middle_of_the_atlas(processes: ForkServerContext, tmp_path: Path) -> None:
    log = tmp_path / "exposures.jsonl"
    assert run_once(processes, tmp_path, f"{QUICK}&exposure_log={log}", "tile", []) == "slot1/atlas"
    assert run_once(processes, tmp_path, f"{QUICK}&exposure_log={log}", None, []) is None
    assert max(exposed(log).values()) == 1
    assert [skipped.key for skipped in report_of(tmp_path).skipped] == ["slot1"]


def test_killed_while_serialem_exposes_it_is_not_repeated(processes: ForkServerContext, tmp_path: Path) -> None:
    """The microscope exposes and its answer never comes; the process is killed then. The microscope lives on."""
    behind = open_simulated()
    truth = Truth(behind)

    def records() -> int:
        return sum(one.preset == "record" and one.purpose not in SELF_MADE for one in truth.exposures)

    with serving(FakeSerialEM(behind), header_pause_s=0.0) as server:
        url = f"serialem://127.0.0.1:{server.port}"
        killed_at = tmp_path / "killed"
        first = processes.Process(target=screen_until, args=(str(tmp_path), url, None, (), str(killed_at)), daemon=True)
        # Five shots with Record's parameters go well before: the tiles of the atlas and the square.
        server.disturbances.append(Disturbance(Trouble.SILENT_AFTER, "Record", skip=5))
        first.start()
        until = time.monotonic() + WITHIN_S
        while records() == 0 and time.monotonic() < until:
            assert first.is_alive(), "it ended before it exposed"
            time.sleep(0.005)
        assert records() == 1
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        first.join(WITHIN_S)
        assert run_once(processes, tmp_path, url, None, []) is None
    report = report_of(tmp_path)
    assert report.stopped is None
    assert report.exposures == ("slot1/square01/hole01/exposure2",)
    assert [skipped.key for skipped in report.skipped] == ["slot1/square01/hole01/exposure1"]
    assert records() == 2, "one that was lost with the process, and the other place of the hole"
    assert truth.exposed_twice() == []
