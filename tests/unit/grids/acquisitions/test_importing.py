import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from structloop.core.errors import AcquisitionFileError
from structloop.grids.acquisitions import list_sessions, session_numbers
from structloop.grids.acquisitions.importing import import_acquisitions
from structloop.grids.acquisitions.queries import LevelFacts
from structloop.store import Database


@pytest.fixture
def sqlite(home: Path) -> Database:
    return Database(f"sqlite:///{home / 'structloop.db'}")


def levels(database: Database, name: str) -> dict[str, LevelFacts]:
    (grid,) = session_numbers(database, name).grids
    return {level.level: level for level in grid.levels}


def local(name: str) -> str:
    return name.rpartition("}")[2]


@pytest.mark.real_data
def test_the_numbers_of_a_real_epu_session_are_those_of_its_files(real_data: Path, sqlite: Database) -> None:
    folder = real_data / "grids" / "sessions" / "epu_3.7"
    imported = import_acquisitions(sqlite, folder)
    assert imported.failed == []
    # Counted here in the XML itself, by nothing that the importer uses.
    square = parse(folder / "EPU_session" / "Metadata" / "GridSquare_4590776.dm")
    centres = [element for element in square.iter() if local(element.tag) == "PixelCenter"]
    stages = [element for element in square.iter() if local(element.tag) == "StagePosition"]
    places = [
        {local(axis.tag): float(axis.text or 0) for axis in stage}
        for stage in stages
        if {local(axis.tag) for axis in stage} >= {"X", "Y"}
    ]
    xs = [place["X"] * 1e6 for place in places]
    atlas = parse(folder / "Sample4" / "Atlas" / "Atlas.dm")
    # The list has room for 64, and the rest is empty.
    tiles = [element for element in atlas.iter() if local(element.tag) == "TileXml" and len(element)]
    found = levels(sqlite, "4600928")
    assert (found["hole"].items, found["hole"].placed) == (len(centres), len(centres)) == (570, 570)
    assert found["hole"].x_um is not None
    assert (found["hole"].x_um.low_um, found["hole"].x_um.high_um) == pytest.approx((min(xs), max(xs)), abs=1e-6)
    assert found["tile"].items == len(tiles) == 35
    assert found["square"].items == 222
    # 4.15628E-08 m in GridSquare_20240406_102420.xml.
    assert found["square"].pixel_sizes_angstrom == pytest.approx([415.6276], abs=1e-4)
    assert found["atlas"].pixel_sizes_angstrom == pytest.approx([4752], rel=0.01)


@pytest.mark.real_data
def test_pixel_sizes_of_a_real_epu_session_are_those_of_each_level(real_data: Path, sqlite: Database) -> None:
    import_acquisitions(sqlite, real_data / "grids" / "sessions" / "epu_3.9")
    found = levels(sqlite, "9015527")
    counts = {name: (level.items, level.images, level.files) for name, level in found.items()}
    assert counts["square"] == (228, 2, 2)
    assert counts["hole"] == (5, 5, 5)
    assert counts["exposure"] == (4, 4, 4)
    # From the XML of one image of each level, metres there.
    assert found["hole"].pixel_sizes_angstrom == pytest.approx([16.359115], abs=1e-6)
    assert found["exposure"].pixel_sizes_angstrom == pytest.approx([1.05588], abs=1e-5)


@pytest.mark.real_data
def test_the_numbers_of_real_serialem_files_are_those_in_them(real_data: Path, sqlite: Database) -> None:
    folder = real_data / "grids" / "sessions" / "serialem"
    imported = import_acquisitions(sqlite, folder)
    assert imported.failed == []
    found = levels(sqlite, "serialem")
    text = {path.name: path.read_text(errors="replace") for path in folder.iterdir()}
    pieces = {name: len(re.findall(r"^\[ZValue", text[name], re.MULTILINE)) for name in text}
    sections = {
        line.split()[-1] for line in re.findall(r"^PieceCoordinates = .*", text["montage_section_multiple.mdoc"], re.M)
    }
    assert found["atlas"].items == 2
    assert found["tile"].items == pieces["gm.mrc.mdoc"] + pieces["montage_section.mdoc"]
    assert found["square"].items == len(sections) + 1
    assert found["square"].images == pieces["montage_section_multiple.mdoc"] + 1
    assert found["exposure"].items == 3
    assert found["other"].items == pieces["TS_01.mrc.mdoc"] == pieces["tilt_series.mdoc"]
    assert found["tile"].pixel_sizes_angstrom == (656.139, 2312.0)
    assert found["exposure"].pixel_sizes_angstrom == (0.50226, 1.2827)
    # The map of nav.nav: 26.61 pixels per micrometre.
    assert found["square"].pixel_sizes_angstrom == pytest.approx([76.8, 1e4 / 26.613], rel=1e-3)
    kinds = Counter(remark.kind.value for remark in imported.sessions[0].remarks)
    assert kinds == {"missing": 5, "duplicate": 1}


@pytest.mark.real_data
def test_all_real_sessions_below_one_folder_come_in_at_once_and_again_change_nothing(
    real_data: Path, sqlite: Database
) -> None:
    folder = real_data / "grids" / "sessions"
    first = import_acquisitions(sqlite, folder)
    assert first.failed == []
    assert sorted(facts.program for facts in list_sessions(sqlite)) == ["EPU", "EPU", "SerialEM"]
    again = import_acquisitions(sqlite, folder)
    assert [recorded.changes for recorded in again.sessions] == [0, 0, 0]


@pytest.mark.real_data
def test_files_that_come_later_or_elsewhere_join_what_is_there(
    real_data: Path, sqlite: Database, tmp_path: Path
) -> None:
    source = real_data / "grids" / "sessions" / "epu_3.9"
    part = tmp_path / "part"
    square = Path("Images-Disc1") / "GridSquare_8999138"
    shutil.copytree(source / square, part / square)
    shutil.copy(source / "EpuSession.dm", part / "EpuSession.dm")
    import_acquisitions(sqlite, part)
    assert levels(sqlite, "9015527")["exposure"].items == 2
    [failed] = import_acquisitions(sqlite, source).failed
    assert f"imported from {part}," in failed.reason
    assert levels(sqlite, "9015527")["exposure"].items == 2
    [recorded] = import_acquisitions(sqlite, source, replace_place=True).sessions
    assert len(list_sessions(sqlite)) == 1
    assert levels(sqlite, "9015527")["exposure"].items == 4
    assert recorded.notes == [
        f"it was imported from {part} before; these files count now, and what only those said is kept"
    ]


def test_a_session_that_cannot_be_read_is_told_and_the_others_come_in(sqlite: Database, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "nav.nav").write_text("nothing of the kind")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "journal.jsonl").touch()
    good = tmp_path / "good"
    good.mkdir()
    (good / "shot.tif.mdoc").write_text(
        "T = SerialEM: Our Krios   01-Feb-26  10:00:00\n\n[FrameSet = 0]\nTiltAngle = 0\nStagePosition = 12.5 -3\n"
        "PixelSpacing = 0.8\nTargetDefocus = -1.5\nNumSubFrames = 40\nDateTime = 01-Feb-26  10:02:03\n"
    )
    imported = import_acquisitions(sqlite, tmp_path)
    assert sorted(failed.path.name for failed in imported.failed) == ["bad", "empty"]
    (facts,) = list_sessions(sqlite)
    assert (facts.program, facts.name, facts.microscope, facts.exposures) == ("SerialEM", "good", "Our Krios", 1)


def test_where_there_is_nothing_to_import_it_is_said(sqlite: Database, tmp_path: Path) -> None:
    with pytest.raises(AcquisitionFileError, match="holds no session"):
        import_acquisitions(sqlite, tmp_path)
