"""`kill -9` in the middle of scoring, by the real command line: it finishes, nothing twice, nothing missing."""

import csv
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select

from structloop.jobs import JobQueue, Worker, Workspace, open_workspace
from structloop.schema.events import JobState
from structloop.store.tables import ExperimentScore, ImageScore, Scoring
from support.processes import WITHIN_S, started, until
from support.tiny_models import TINY, add_tiny_model

# Two inspections of 36 wells: enough batches to be killed between, few enough for a test.
IMAGES = 72


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


def running(workspace: Workspace, *arguments: str) -> AbstractContextManager[Popen[bytes]]:
    """The command line in a process of its own; what it prints goes to `output_file`."""
    return started(
        output_file(workspace),
        *arguments,
        STRUCTLOOP_DATABASE_URL=workspace.settings.resolved_database_url,
        STRUCTLOOP_BATCH_SIZE="1",
        STRUCTLOOP_RUNTIME="torch",
        STRUCTLOOP_SETTLE_S="0",
    )


def output_file(workspace: Workspace) -> Path:
    return workspace.home / "output.txt"


def scored(workspace: Workspace) -> dict[int, datetime]:
    """When each image was scored."""
    with workspace.database.reading() as session:
        rows = session.execute(select(ImageScore.image_id, ImageScore.created_at)).all()
    assert len(rows) == len({image for image, _ in rows})
    return {row.image_id: row.created_at for row in rows}


def kill_when_some_are_scored(workspace: Workspace, *arguments: str, enough: int = 5) -> None:
    with running(workspace, *arguments) as process:
        until(lambda: len(scored(workspace)) >= enough, process, output_file(workspace))
        process.send_signal(signal.SIGKILL)
        process.wait()


def ended(workspace: Workspace, *arguments: str) -> tuple[int, str]:
    """The exit status and what was printed."""
    with running(workspace, *arguments) as process:
        code = process.wait(WITHIN_S)
    return code, output_file(workspace).read_text()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_scoring_is_finished_by_the_next_worker(workspace: Workspace, plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    command = ("crystals", "score", str(plate), "--model", TINY, "--out", str(out))
    kill_when_some_are_scored(workspace, *command)
    before = scored(workspace)
    assert 0 < len(before) < IMAGES, "killed too late to show anything"
    assert not out.exists()
    queue = JobQueue(workspace)
    job = queue.list(1)[0]
    assert (job.kind, job.state) == ("crystals.score", JobState.RUNNING)

    with Worker(workspace):
        queue.wait(job.id, timeout_s=WITHIN_S)
    after = scored(workspace)
    assert len(after) == IMAGES
    assert {image: after[image] for image in before} == before

    code, output = ended(workspace, *command)
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
@pytest.mark.timeout(400)
def test_the_same_command_after_a_kill_takes_up_the_same_job(workspace: Workspace, plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    command = ("crystals", "score", str(plate), "--model", TINY, "--out", str(out), "--quiet")
    for _ in range(2):
        enough = len(scored(workspace)) + 5
        kill_when_some_are_scored(workspace, *command, enough=enough)
    before = scored(workspace)
    assert ended(workspace, *command) == (0, "")
    after = scored(workspace)
    assert len(after) == IMAGES
    assert {image: after[image] for image in before} == before
    scorings = [job for job in JobQueue(workspace).list() if job.kind == "crystals.score"]
    # The job that was killed twice, and, where it had ended before the last import did, one that found nothing to do.
    assert {job.state for job in scorings} == {JobState.SUCCEEDED}
    assert len(scorings) <= 2
