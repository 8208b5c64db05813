"""`structloop micrographs export`: the good ones of a session, and why nothing is written."""

import csv
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from structloop.cli.main import app
from structloop.core.errors import ExposureError, NotFoundError
from structloop.core.settings import load_settings
from structloop.exposures.made_up import store_made_up_session
from structloop.jobs import Workspace
from structloop.micrographs.ctf.files import read_ctf_table
from structloop.store.tables import ProcessedExposure


@pytest.fixture
def results(home: Path, tmp_path: Path) -> Path:
    """Folder of a made-up session `Night`, whose micrographs have names but no files."""
    folder = tmp_path / "results"
    with Workspace(load_settings(home=home)) as workspace:
        store_made_up_session(workspace.database, folder, name="Night", count=60, seed=4)
        with workspace.database.session() as session:
            done = update(ProcessedExposure).where(ProcessedExposure.state == "done")
            session.execute(done.values(micrograph_file=ProcessedExposure.name + ".mrc"))
    return folder


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "micrographs", "export", *arguments])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_good_ones_are_listed_for_relion(home: Path, results: Path, tmp_path: Path) -> None:
    told = run(home, "Night", "--out", str(tmp_path / "all.csv"), "--which", "all")
    assert told.exit_code == 0, told.output
    everything = rows_of(tmp_path / "all.csv")
    assert len(everything) == 60
    fine = {row["name"] for row in everything if row["state"] == "done" and float(row["problematic"]) < 0.5}
    assert 0 < len(fine) < 60
    assert (
        f"{len(fine)} exposures of 'Night' (fine)" in run(home, str(results), "--out", str(tmp_path / "a.star")).output
    )
    listed = [Path(each.micrograph) for each in read_ctf_table(tmp_path / "a.star")]
    assert {path.stem for path in listed} == fine
    assert {path.parent for path in listed} == {results}
    corrected = tmp_path / "corrected.star"
    assert run(home, "Night", "--out", str(corrected), "--corrected", "--which", "all").exit_code == 0
    assert "_rlnMicrographMetadata" in corrected.read_text() or "_rlnAccumMotionTotal" in corrected.read_text()
    square = everything[0]["square"]
    assert run(home, "Night", "--out", str(tmp_path / "s.csv"), "--which", "all", "--square", square).exit_code == 0
    assert {row["square"] for row in rows_of(tmp_path / "s.csv")} == {square}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("Night", "--out", "a.txt"), ExposureError, "use .star, .csv or .parquet"),
        (("Night", "--out", "a.csv", "--corrected"), ExposureError, "let it end in .star"),
        (("Night", "--out", "a.csv", "--which", "good"), ExposureError, "fine, problematic, all"),
        (("Night", "--out", "a.csv", "--grid", "none such"), ExposureError, "no exposure of 'Night' is meant"),
        (("Day", "--out", "a.csv"), NotFoundError, "Day"),
        (("Night", "--out", "there.csv"), ExposureError, "exists already"),
        (("Night", "--out", "missing/a.csv"), ExposureError, "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_told(
    home: Path,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("kept")
    outcome = run(home, *arguments)
    assert isinstance(outcome.exception, error), outcome.output
    assert words in str(outcome.exception)
    assert Path("there.csv").read_text() == "kept"
    assert not Path("a.csv").exists()
