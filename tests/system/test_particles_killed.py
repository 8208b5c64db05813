"""`kill -9` during picking and training, by the real command line: both go on, and nothing is picked twice."""

import json
import signal
from pathlib import Path

import pytest

from support.processes import finished, started, until
from support.tiny_micrographs import write_labels, write_tiny

MICROGRAPHS = 16


def lines(journal: Path) -> list[str]:
    """Whole lines of a journal after its first: one per micrograph that was picked."""
    if not journal.exists():
        return []
    return [line for line in journal.read_text().split("\n")[1:-1] if line]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_picking_goes_on_and_picks_nothing_twice(home: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "micrographs", tmp_path / "picks.star"
    for seed in range(MICROGRAPHS):
        write_tiny(folder / f"m{seed:02d}.mrc", seed, height=1200, width=1200)
    (folder / "cut.mrc").write_bytes((folder / "m00.mrc").read_bytes()[:5000])
    output = home / "output.txt"
    given = ("particles", "pick", "--micrographs", str(folder), "--diameter-px", "20")
    command = (*given, "--model", "log", "--out", str(out))
    journal = tmp_path / "picks.star.journal"
    with started(output, *command) as process:
        until(lambda: len(lines(journal)) >= 3, process, output)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = lines(journal)
    assert 3 <= len(before) < MICROGRAPHS, "killed too late to show anything"
    assert not out.exists()
    # What a dying process may leave: half a line.
    with journal.open("a") as file:
        file.write('{"micrograph": "half')

    told = finished(output, *command)
    assert f"{MICROGRAPHS - len(before)} micrographs picked now, {len(before)} known already" in told
    assert "cut.mrc is cut off" in told
    after = lines(journal)
    assert after[: len(before)] == before
    names = [json.loads(line)["micrograph"] for line in after]
    assert len(names) == len(set(names)) == MICROGRAPHS

    interrupted = out.read_text()
    out.unlink()
    journal.unlink()
    finished(output, *command)
    assert out.read_text() == interrupted, "the same picks as without an interruption"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_training_goes_on(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "micrographs"
    labels = {f"m{seed}": write_tiny(folder / f"m{seed}.mrc", seed).xy_px for seed in range(2)}
    file = write_labels(tmp_path / "labels.star", labels)
    given = ("particles", "train", "--micrographs", str(folder), "--coordinates", str(file), "--diameter-px", "20")
    command = (*given, "--name", "mine", "--steps", "12")
    state, output = home / "training" / "mine", home / "output.txt"
    # torch: converting four networks for OpenVINO would take longer than training them so shortly.
    with started(output, *command, STRUCTLOOP_RUNTIME="torch") as process:
        # The first part that was left out is done: there is something to lose.
        until((state / "fold-0").exists, process, output)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (home / "models" / "mine").exists()
    assert "Model 'mine'" in finished(output, *command, STRUCTLOOP_RUNTIME="torch")
    assert (home / "models" / "mine" / "card.json").is_file()
    assert not state.exists()
