"""`kill -9` during picking and training, by the real command line: both go on, and nothing is picked twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.tiny_micrographs import write_labels, write_tiny

MICROGRAPHS = 24
TIMEOUT_S = 60.0


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"STRUCTLOOP_HOME": str(home), "STRUCTLOOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with (home / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "structloop", "particles", *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def finish(home: Path, *arguments: str) -> str:
    code = start(home, *arguments).wait(TIMEOUT_S)
    output = (home / "output.txt").read_text()
    assert code == 0, output
    return output


def lines(journal: Path) -> list[str]:
    """Whole lines of a journal after its first: one per micrograph that was picked."""
    if not journal.exists():
        return []
    return [line for line in journal.read_text().split("\n")[1:-1] if line]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_picking_goes_on_and_picks_nothing_twice(home: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "micrographs", tmp_path / "picks.star"
    for seed in range(MICROGRAPHS):
        write_tiny(folder / f"m{seed:02d}.mrc", seed, height=1200, width=1200)
    (folder / "cut.mrc").write_bytes((folder / "m00.mrc").read_bytes()[:5000])
    command = ("pick", "--model", "log", "--micrographs", str(folder), "--out", str(out), "--diameter-px", "20")
    journal = tmp_path / "picks.star.journal"
    process = start(home, *command)
    deadline = time.monotonic() + TIMEOUT_S
    while len(lines(journal)) < 3:
        assert process.poll() is None, (home / "output.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = lines(journal)
    assert 3 <= len(before) < MICROGRAPHS, "killed too late to show anything"
    assert not out.exists()
    # What a dying process may leave: half a line.
    with journal.open("a") as file:
        file.write('{"micrograph": "half')

    output = finish(home, *command)
    assert f"{MICROGRAPHS - len(before)} micrographs picked now, {len(before)} known already" in output
    assert "cut.mrc is cut off" in output
    after = lines(journal)
    assert after[: len(before)] == before
    names = [json.loads(line)["micrograph"] for line in after]
    assert len(names) == len(set(names)) == MICROGRAPHS

    interrupted = out.read_text()
    out.unlink()
    journal.unlink()
    finish(home, *command)
    assert out.read_text() == interrupted, "the same picks as without an interruption"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_killed_training_goes_on(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "micrographs"
    labels = {f"m{seed}": write_tiny(folder / f"m{seed}.mrc", seed).xy_px for seed in range(2)}
    file = write_labels(tmp_path / "labels.star", labels)
    given = ("train", "--micrographs", str(folder), "--coordinates", str(file), "--diameter-px", "20")
    command = (*given, "--name", "mine", "--steps", "40")
    process = start(home, *command)
    state = home / "training" / "mine"
    deadline = time.monotonic() + TIMEOUT_S
    # The first part that was left out is done: there is something to lose.
    while not (state / "fold-0").exists():
        assert process.poll() is None, (home / "output.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (home / "models" / "mine").exists()
    output = finish(home, *command)
    assert "Model 'mine'" in output
    assert (home / "models" / "mine" / "card.json").is_file()
    assert not state.exists()
