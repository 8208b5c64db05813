import csv
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from structloop.core.errors import ScoreFileError
from structloop.crystals.score_files import COLUMNS, check_score_file, score_rows, write_scores
from structloop.crystals.scoring import score_plate
from structloop.store import Database
from support.classifiers import BrightnessModels
from support.plates import plate_of_greys


@pytest.fixture
def scoring_id(database: Database, tmp_path: Path) -> int:
    plate = plate_of_greys(database, tmp_path / "Übung mit Leerzeichen", {1: (51, 204), 0: (102, None), 2: (None, 0)})
    return score_plate(database, BrightnessModels.of(), plate).scoring_id


def test_csv_has_the_agreed_columns_and_empty_cells_for_what_is_missing(
    database: Database, scoring_id: int, tmp_path: Path
) -> None:
    assert write_scores(score_rows(database, [scoring_id]), tmp_path / "s.csv") == 3
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert ",".join(header) == (
        "plate,well,drop,inspection,visible_probability,uv_probability,crystal_probability,model_visible,model_uv,"
        "rule,error,image_visible,image_uv"
    )
    assert [row[:4] for row in rows] == [["P1", "A01", "1", "1"], ["P1", "A02", "1", "1"], ["P1", "A03", "1", "1"]]
    by_column = dict(zip(header, rows[0], strict=True))
    assert by_column["uv_probability"] == by_column["model_uv"] == by_column["image_uv"] == by_column["error"] == ""
    assert float(by_column["crystal_probability"]) == pytest.approx(0.4, abs=1e-5)
    name, _, version = by_column["model_visible"].partition("@")
    assert name == "brightness"
    assert version
    # A probability of nearly nothing is written, not left out.
    assert float(rows[2][5]) == pytest.approx(1e-6, rel=0.1)


def test_json_and_parquet_hold_the_same(database: Database, scoring_id: int, tmp_path: Path) -> None:
    rows = list(score_rows(database, [scoring_id]))
    for ending in (".json", ".PARQUET"):
        write_scores(rows, tmp_path / f"s{ending}")
    from_json = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    from_parquet = parquet.read_table(tmp_path / "s.PARQUET").to_pylist()
    assert from_json == from_parquet
    assert tuple(from_json[0]) == COLUMNS
    assert from_json[0]["uv_probability"] is None


def test_no_rows_make_a_file_with_only_the_header(tmp_path: Path) -> None:
    for ending in ("csv", "json", "parquet"):
        assert write_scores([], tmp_path / f"s.{ending}") == 0
    assert (tmp_path / "s.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert json.loads((tmp_path / "s.json").read_text()) == []


def test_an_unknown_ending_and_a_missing_folder_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ScoreFileError, match=r"\.csv, \.json, \.parquet"):
        check_score_file(tmp_path / "s.xlsx")
    with pytest.raises(ScoreFileError, match="make it first"):
        check_score_file(tmp_path / "none" / "s.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ScoreFileError, match="folder"):
        check_score_file(tmp_path / "folder.csv")


def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    database: Database, scoring_id: int, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "s.csv"
    path.write_text("old")

    def failing() -> object:
        yield from score_rows(database, [scoring_id])
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_scores(failing(), path)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
