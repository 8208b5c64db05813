"""`kill -9` in the middle of scoring, by the real command line: it finishes, nothing twice, nothing missing."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select

from structloop.jobs import JobQueue, Worker, Workspace, open_workspace
from structloop.schema.events import JobState
from structloop.store.tables import ExperimentScore, ImageScore, Scoring
from support.tiny_models import TINY, add_tiny_model

# Two inspections of 36 wells: enough batches to be killed between, few enough for a test.
IMAGES = 72
TIMEOUT_S = 50.0


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A folder with a plate in the layout of XChem, every image different."""
    random = np.random.default_rng(0)
    for inspection, date in enumerate(("2021-09-14", "2021-09-21")):
        folder = tmp_path / "plate" / f"97wo_{date}_RI1000-0276-3drop"
        folder.mkdir(parents=True)
        for number in range(IMAGES // 2):
            row, column = divmod(number, 12)
            pixels = random.integers(0, 255, (96, 128), dtype=np.uint8)
            name = f"97wo_{column + 1:02d}{'ABCDEFGH'[row]}_1.jpg"
            Image.fromarray(pixels).save(folder / name, quality=80 + inspection)
    return tmp_path / "plate"


@pytest.fixture
def workspace(home: Path, database_url: str, tmp_path: Path) -> Iterator[Workspace]:
    add_tiny_model(home, tmp_path / "weights")
    with open_workspace(home, database_url=database_url, runtime="torch", threads=1, batch_size=4) as workspace:
        yield workspace


def start(workspace: Workspace, *arguments: str) -> subprocess.Popen[bytes]:
    """The command line in a process of its own; what it prints goes to `output_file`."""
    environment = os.environ | {
        "STRUCTLOOP_HOME": str(workspace.home),
        "STRUCTLOOP_DATABASE_URL": workspace.settings.resolved_database_url,
        "STRUCTLOOP_BATCH_SIZE": "1",
        "STRUCTLOOP_RUNTIME": "torch",
        "STRUCTLOOP_THREADS": "1",
        "STRUCTLOOP_SETTLE_S": "0",
        "OMP_NUM_THREADS": "1",
    }
    with output_file(workspace).open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "structloop", *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def output_file(workspace: Workspace) -> Path:
    return workspace.home / "output.txt"


def scored(workspace: Workspace) -> dict[int, datetime]:
    """When each image was scored."""
    with workspace.database.reading() as session:
        rows = session.execute(select(ImageScore.image_id, ImageScore.created_at)).all()
    assert len(rows) == len({image for image, _ in rows})
    return {row.image_id: row.created_at for row in rows}


def kill_when_some_are_scored(workspace: Workspace, process: subprocess.Popen[bytes], enough: int = 5) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while len(scored(workspace)) < enough:
        assert process.poll() is None, output_file(workspace).read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_scoring_is_finished_by_the_next_worker(workspace: Workspace, plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    command = ("crystals", "score", str(plate), "--model", TINY, "--out", str(out))
    kill_when_some_are_scored(workspace, start(workspace, *command))
    before = scored(workspace)
    assert 0 < len(before) < IMAGES, "killed too late to show anything"
    assert not out.exists()
    queue = JobQueue(workspace)
    job = queue.list(1)[0]
    assert (job.kind, job.state) == ("crystals.score", JobState.RUNNING)

    with Worker(workspace):
        queue.wait(job.id, timeout_s=TIMEOUT_S)
    after = scored(workspace)
    assert len(after) == IMAGES
    assert {image: after[image] for image in before} == before

    code = start(workspace, *command).wait(TIMEOUT_S)
    output = output_file(workspace).read_text()
    assert code == 0, output
    assert f"0 images scored now, {IMAGES} known already" in output
    assert scored(workspace) == after
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == IMAGES
    assert len({(row["well"], row["drop"], row["inspection"]) for row in rows}) == IMAGES
    assert all(row["crystal_probability"] and not row["error"] for row in rows)
    with workspace.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ExperimentScore)) == IMAGES
        assert session.scalar(select(func.count()).select_from(Scoring)) == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_same_command_after_a_kill_takes_up_the_same_job(workspace: Workspace, plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    command = ("crystals", "score", str(plate), "--model", TINY, "--out", str(out), "--quiet")
    for _ in range(2):
        enough = len(scored(workspace)) + 5
        kill_when_some_are_scored(workspace, start(workspace, *command), enough)
    before = scored(workspace)
    code = start(workspace, *command).wait(2 * TIMEOUT_S)
    assert (code, output_file(workspace).read_text()) == (0, "")
    after = scored(workspace)
    assert len(after) == IMAGES
    assert {image: after[image] for image in before} == before
    scorings = [job for job in JobQueue(workspace).list() if job.kind == "crystals.score"]
    # The job that was killed twice, and, where it had ended before the last import did, one that found nothing to do.
    assert {job.state for job in scorings} == {JobState.SUCCEEDED}
    assert len(scorings) <= 2
