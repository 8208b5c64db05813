"""`structloop loop`: queue, annotations and data sets from the command line."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from structloop.cli.loop import app
from structloop.core.errors import DataLeakError, LabelsError, NotFoundError
from structloop.crystals.annotations import annotate
from structloop.crystals.curation import answer_item, next_views
from structloop.exposures.curation import answer_item as answer_exposure
from structloop.exposures.curation import next_shown
from structloop.exposures.made_up import store_made_up_session
from structloop.exposures.review import LABELS
from structloop.jobs import open_workspace
from structloop.store.tables import CurationTally
from support.stored_plates import StoredPlate, store_plate, write_picture


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def run(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def plates(home: Path, tmp_path: Path) -> list[StoredPlate]:
    """Three plates of two drops; people say crystal of A01 as the model does, and in P1 of A02, where it does not."""
    stored = []
    with open_workspace(home) as workspace:
        for barcode in ("P1", "P2", "P3"):
            plate = store_plate(
                workspace.database,
                tmp_path / barcode,
                barcode,
                rows=1,
                columns=2,
                drops=(1,),
                inspections=1,
                probabilities={("A01", 1, 1): 0.9},
                structured=True,
            )
            for (well, _), drop_id in plate.drops.items():
                annotate(
                    workspace.database,
                    drop_id,
                    inspection=1,
                    scheme="axis",
                    label="crystal" if well == "A01" or barcode == "P1" else "other",
                    annotator="ada",
                    score_visible=False,
                )
            stored.append(plate)
    return stored


def test_the_queue_is_filled_shown_and_emptied(plates: list[StoredPlate], home: Path) -> None:
    told = run("queue", "fill", "--size", "3", "--answers", "1")
    assert "joined the queue, of 6 scored experiments (6 with a label)" in told
    assert "label-error: 1 of 1 found" in told
    with open_workspace(home) as workspace:
        item = next(item for item in next_views(workspace.database, "bob", limit=9).items if item.well == "A02")
        answer_item(workspace.database, item.id, curator="bob", answer="crystal", seconds=2.0)
    status = run("queue", "status", "--curator", "bob")
    assert "1 settled, 0 uncertain, 0 unusable." in status
    assert "bob" in status
    with open_workspace(home) as workspace, workspace.database.session() as session:
        session.execute(update(CurationTally).values(value=CurationTally.value + 1))
    assert "1 settled" not in run("queue", "status")
    assert "have been put right" in invoke("queue", "status", "--recount").stderr
    assert run("queue", "status", "--recount", "--curator", "bob") == status
    assert json.loads(run("queue", "status", "--json"))["settled"] == 1
    again = json.loads(run("queue", "fill", "--gold", "1", "--plate", "P1", "--json"))
    assert again["gold_count"] == 1
    assert "taken out of the queue" in run("queue", "empty")


def test_an_empty_queue_says_what_to_do(home: Path) -> None:
    assert "Score plates first" in run("queue", "fill")
    assert "0 drops wait." in run("queue", "status")
    with pytest.raises(NotFoundError, match="no plate 'X'"):
        invoke("queue", "fill", "--plate", "X")


def test_exposures_are_asked_about_and_make_a_data_set(home: Path) -> None:
    task = ("--task", "micrographs/quality")
    assert "Process movies first" in run("queue", "fill", *task)
    with open_workspace(home) as workspace:
        folder = home / "made"
        names = [(f"{number}.png", f"{number}_power.png") for number in range(12)]
        key = store_made_up_session(workspace.database, folder, count=12, pictures=names)
        for name, _ in names:
            write_picture(folder / name)
    told = run("queue", "fill", *task, "--size", "8", "--answers", "1", "--session", "Made-up session")
    assert "8 exposures joined the queue, of " in told
    assert "audit: 2" in told
    assert "8 exposures wait, 8 of them for bob." in run("queue", "status", *task, "--curator", "bob")
    assert "0 drops wait." in run("queue", "status")
    with open_workspace(home) as workspace:
        for number in range(6):
            (shown,), _ = next_shown(workspace.database, "bob")
            assert shown.session_id == key
            answer_exposure(workspace.database, shown.item.id, curator="bob", answer=LABELS[number % 2])
    status = json.loads(run("queue", "status", *task, "--json"))
    assert (status["open"], status["settled"], status["curators"][0]["agreement"]) == (2, 6, 1.0)
    built = run("datasets", "build", *task, "--test-share", "0", "--by", "bob")
    assert built.startswith("micrographs/quality#1: 6 images (3 decent, 3 great)")
    assert run("queue", "empty", *task) == "2 exposures taken out of the queue.\n"
    for option, value in (("--plate", "P1"), ("--gold", "2"), ("--project-share", "0.4")):
        refused = invoke("queue", "fill", *task, option, value)
        assert refused.exit_code == 2
        assert "is not for micrographs/quality" in " ".join(refused.stderr.replace("│", " ").split())
    assert invoke("queue", "fill", "--session", "Made-up session").exit_code == 2
    with pytest.raises(NotFoundError, match="no session of exposures 'X'"):
        invoke("queue", "fill", *task, "--session", "X")


def test_labels_are_imported_and_what_fits_nothing_is_listed(plates: list[StoredPlate], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("barcode,well,drop,inspection,label\nP1,A01,1,1,9\nP9,A01,1,1,0\n", encoding="utf-8")
    result = invoke("annotations", "import", labels, "--by", "bob")
    assert "1 labels added, 0 were there already (1 ispyb-grade)." in result.stdout
    assert "labels.csv, line 3: there is no plate P9" in result.stderr
    report = json.loads(run("annotations", "import", labels, "--by", "bob", "--json"))
    assert (report["added"], report["already"], len(report["left_out"])) == (0, 1, 1)
    with pytest.raises(LabelsError, match="cannot be read"):
        invoke("annotations", "import", tmp_path / "gone.csv")


def test_versions_are_built_listed_shown_and_compared(plates: list[StoredPlate], tmp_path: Path) -> None:
    assert "No data set was made yet" in run("datasets", "list")
    build = ("datasets", "build", "--labels", "agreed", "--test-share", "0")
    built = run(*build, "--by", "ada", "--why", "the first")
    assert built.startswith("crystals/visible#1: 5 images (3 crystal, 2 other)")
    assert "made by ada" in built
    assert "Nothing has changed since crystals/visible#1" in run(*build)
    labels = tmp_path / "labels.csv"
    labels.write_text("barcode,well,drop,inspection,label\nP1,A02,1,1,other\nP2,A01,1,1,9\n", encoding="utf-8")
    run("annotations", "import", labels, "--scheme", "ispyb-grade")
    run("annotations", "import", labels, "--scheme", "axis")
    second = json.loads(run(*build, "--json"))
    assert (second["number"], second["counts"]["images"]) == (2, 6)
    listed = run("datasets", "list", "--task", "crystals/visible")
    assert "crystals/visible#2" in listed
    assert "crystals/visible#1" in listed
    assert len(json.loads(run("datasets", "list", "--json"))) == 2
    assert run("datasets", "show", "crystals/visible#1") == built
    assert json.loads(run("datasets", "show", "crystals/visible", "--json"))["number"] == 2
    difference = run("datasets", "diff", "crystals/visible#1", "crystals/visible#2")
    assert "added: 1 other" in difference
    assert json.loads(run("datasets", "diff", "1", "2", "--json"))["added"] == ["P1/A02/1/1/visible"]
    # By default a disputed label that no curator has in hand stands, too.
    standing = json.loads(run("datasets", "build", "--test-share", "0", "--json"))
    assert standing["counts"]["images"] == 6
    with pytest.raises(NotFoundError, match="no data set"):
        invoke("datasets", "show", "crystals/uv")


@pytest.mark.parametrize("layout", ["folders", "hugging-face"])
def test_a_version_goes_out_and_a_published_set_comes_in(
    plates: list[StoredPlate], tmp_path: Path, layout: str
) -> None:
    run("datasets", "build")
    out = tmp_path / "out"
    assert "images of crystals/visible#1" in run("datasets", "export", "crystals/visible", out, "--layout", layout)
    with pytest.raises(Exception, match="not empty"):
        invoke("datasets", "export", "crystals/visible", out)
    for part in ("train", "test"):
        for label in ("Clear", "Crystals", "Precipitate", "Other"):
            write_picture(tmp_path / "marco" / part / label / f"{part}-{label}.jpg")
    told = run("datasets", "import", tmp_path / "marco", "--name", "marco", "--by", "ada")
    assert "8 images with labels of the scheme marco; 0 are there twice." in told
    assert "crystals/visible#2" in told
    write_picture(tmp_path / "c3" / "crystal" / "new.jpg")
    write_picture(tmp_path / "c3" / "other" / "train-Other.jpg")
    (tmp_path / "c3" / "other" / "broken.jpg").write_bytes(b"no image")
    result = invoke("datasets", "import", tmp_path / "c3", "--name", "c3")
    assert "other/broken.jpg" in result.stderr
    (tmp_path / "leak" / "crystal").mkdir(parents=True)
    leaking = next((tmp_path / "marco" / "test" / "Crystals").iterdir())
    (tmp_path / "leak" / "crystal" / "same.jpg").write_bytes(leaking.read_bytes())
    with pytest.raises(DataLeakError, match=r"leak/crystal/same.jpg .* is the same file as"):
        invoke("datasets", "import", tmp_path / "leak", "--name", "leak")
