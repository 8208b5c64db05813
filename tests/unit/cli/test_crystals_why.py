"""`structloop crystals why`: a drop or a file, on the terminal, as JSON, as a picture, and what it refuses."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import ImageTruncatedError, NotFoundError, PictureFileError
from structloop.crystals.annotations import annotate
from structloop.jobs.workspace import open_workspace
from structloop.models.registry import ModelRegistry
from support.stored_plates import store_plate, write_picture
from support.tiny_models import TINY, add_tiny_model

runner = CliRunner()


@pytest.fixture
def ready(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a plate of two drops, one of which a person has labelled."""
    add_tiny_model(home, tmp_path / "scratch")
    for name, value in (("DEFAULT_MODEL", TINY), ("RUNTIME", "torch"), ("PRECISION", "fp32"), ("THREADS", "1")):
        monkeypatch.setenv(f"STRUCTLOOP_{name}", value)
    with open_workspace(home) as workspace:
        plate = store_plate(
            workspace.database, tmp_path / "plate", rows=1, columns=2, drops=(1,), inspections=1, scored=False,
            structured=True,
        )  # fmt: skip
        annotate(
            workspace.database, plate.drops["A02", 1], inspection=1, scheme="ispyb-grade", annotator="ada",
            score_visible=False, label="9",
        )  # fmt: skip
    return tmp_path


def test_a_drop_is_explained_in_words_as_json_and_as_a_picture(ready: Path, home: Path) -> None:
    picture = ready / "why.png"
    told = runner.invoke(
        app, ["crystals", "why", "PLATE1", "A01.1", "--cells", "3", "--out", str(picture)], catch_exceptions=False
    )
    assert told.exit_code == 0, told.output
    version = ModelRegistry(home).card(TINY).version
    assert f"says {TINY}@{version}" in told.stdout
    assert "was not trained on a data set of this facility" in " ".join(told.stdout.split())
    assert "PLATE1/A02/1/1/visible" in told.stdout
    assert "annotated: ada" in told.stdout
    with Image.open(picture) as image:
        assert image.width > 1000
    as_json = runner.invoke(
        app, ["crystals", "why", "PLATE1", "A01.1", "--cells", "3", "--json", "--light", "uv"], catch_exceptions=False
    )
    found = json.loads(as_json.stdout)
    assert found["light"] == "uv"
    assert [len(found["changes"][0]), len(found["changes"][0][0])] == [2, 3]
    assert [each["key"] for each in found["nearest"]["images"]] == ["PLATE1/A02/1/1/uv"]
    assert found["nearest"]["images"][0]["said"] == {"ada": "9"}


@pytest.mark.usefixtures("ready")
def test_a_file_is_explained_and_what_cannot_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "drop.png"
    write_picture(path)
    told = runner.invoke(app, ["crystals", "why", str(path), "--cells", "2", "--count", "0"], catch_exceptions=False)
    assert told.stdout.startswith("drop.png: ")
    path.write_bytes(path.read_bytes()[:200])
    for arguments, error, message in (
        ([str(path)], ImageTruncatedError, "drop.png is cut off"),
        (["PLATE1"], NotFoundError, "name the drop too"),
        (["PLATE1", "A1"], NotFoundError, "well and drop, such as A01.1"),
        (["PLATE1", "A02.7"], NotFoundError, "has no drop A02.7"),
        (["PLATE9", "A02.1"], NotFoundError, "no plate 'PLATE9'"),
        (["PLATE1", "A01.1", "--out", "why.gif"], PictureFileError, "ending must be one of .png"),
        (["PLATE1", "A01.1", "--out", "/nowhere/why.png"], PictureFileError, "make it first"),
    ):
        refused = runner.invoke(app, ["crystals", "why", *arguments])
        assert isinstance(refused.exception, error), refused.output
        assert message in str(refused.exception)
