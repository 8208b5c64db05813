"""A session of one id that comes from a second folder: never mixed in silence."""

import shutil
from pathlib import Path

import pytest

from structloop.core.errors import AcquisitionFileError
from structloop.grids.acquisitions import list_sessions, session_numbers
from structloop.grids.acquisitions.importing import Imported, import_acquisitions
from structloop.store import Database
from support import epu_trees
from support.epu_trees import SQUARE


@pytest.fixture
def session(tmp_path: Path, database: Database) -> Path:
    """An EPU session that is in the store."""
    root = epu_trees.write_session(tmp_path / "disk" / "grid")
    assert import_acquisitions(database, root).failed == []
    return root


def roots(database: Database) -> list[str]:
    return sorted(facts.root for facts in list_sessions(database))


def nothing_done(imported: Imported) -> bool:
    return not imported.sessions and not imported.failed


def test_a_copy_that_says_the_same_is_known_and_left_alone(session: Path, tmp_path: Path, database: Database) -> None:
    copy = shutil.copytree(session, tmp_path / "copy")
    imported = import_acquisitions(database, copy)
    assert nothing_done(imported)
    [known] = imported.known
    assert (known.path, known.earlier, known.session_id) == (copy, session, 1)
    assert roots(database) == [str(session)]


@pytest.mark.parametrize("change", ["another exposure", "another number", "a longer image"])
def test_a_copy_that_says_more_or_else_is_refused_until_told(
    change: str, session: Path, tmp_path: Path, database: Database
) -> None:
    copy = shutil.copytree(session, tmp_path / "copy")
    data = copy / "Images-Disc1" / f"GridSquare_{SQUARE}" / "Data"
    if change == "another exposure":
        epu_trees.write_image(data, "FoilHole_902_Data_77_4_20230102_120000", epu_trees.image_xml())
    elif change == "another number":
        path = copy / "Metadata" / f"GridSquare_{SQUARE}.dm"
        path.write_text(path.read_text(encoding="utf-8").replace(">700<", ">701<"), encoding="utf-8")
    else:
        with (data / f"{epu_trees.exposure_stem()}.jpg").open("ab") as file:
            file.write(b"\0")
    imported = import_acquisitions(database, copy)
    assert not imported.sessions
    assert not imported.known
    [failed] = imported.failed
    assert failed.path == copy
    assert f"session no. 1, imported from {session}, has the same id" in failed.reason
    assert "--replace" in failed.reason
    assert "--as NAME" in failed.reason
    assert roots(database) == [str(session)]

    [recorded] = import_acquisitions(database, copy, replace_place=True).sessions
    assert "it was imported from" in recorded.notes[0]
    assert roots(database) == [str(copy)]
    assert import_acquisitions(database, copy).sessions[0].changes == 0, "from now on it is the session's folder"


def test_a_copy_with_a_name_is_a_session_of_its_own(session: Path, tmp_path: Path, database: Database) -> None:
    copy = shutil.copytree(session, tmp_path / "copy")
    for _ in range(2):
        [recorded] = import_acquisitions(database, copy, as_name="second disk").sessions
    assert recorded.changes == 0
    assert roots(database) == sorted([str(session), str(copy)])
    assert session_numbers(database, "second disk").session.root == str(copy)
    with pytest.raises(AcquisitionFileError, match="holds 2 sessions"):
        import_acquisitions(database, _with_two(tmp_path / "two"), as_name="x")


def _with_two(folder: Path) -> Path:
    epu_trees.write_session(folder / "one")
    epu_trees.write_text(folder / "two" / "EpuSession.dm", epu_trees.session_xml(name="another"))
    return folder


def test_two_sessions_of_one_id_below_one_folder_are_not_mixed(tmp_path: Path, database: Database) -> None:
    imported = import_acquisitions(database, _with_two(tmp_path / "two"))
    assert len(imported.sessions) == 1
    [failed] = imported.failed
    assert "has the same id and is called" in failed.reason
    assert len(list_sessions(database)) == 1


def test_a_session_that_moved_goes_on_and_it_is_said(session: Path, tmp_path: Path, database: Database) -> None:
    moved = session.rename(tmp_path / "elsewhere")
    [recorded] = import_acquisitions(database, moved).sessions
    assert recorded.notes == [
        f"it was imported from {session} before, which is not there any more; these files count now"
    ]
    assert roots(database) == [str(moved)]


def test_a_folder_above_or_a_link_is_the_same_place(session: Path, tmp_path: Path, database: Database) -> None:
    assert import_acquisitions(database, session.parent).sessions[0].notes == []
    (tmp_path / "link").symlink_to(session, target_is_directory=True)
    assert import_acquisitions(database, tmp_path / "link").sessions[0].notes == []
    assert len(list_sessions(database)) == 1


def test_serialem_s_files_below_a_session_of_epu_s_are_listed_there_and_imported_as_their_own(
    session: Path, database: Database
) -> None:
    (session / "sem").mkdir()
    (session / "sem" / "shot.tif.mdoc").write_text(
        "T = SerialEM: Our Krios   01-Feb-26  10:00:00\n\n[FrameSet = 0]\nTiltAngle = 0\nStagePosition = 1 -3\n"
        "PixelSpacing = 0.8\nDateTime = 01-Feb-26  10:02:01\n"
    )
    (session / "nav.nav").write_text("nothing of the kind")
    imported = import_acquisitions(database, session)
    assert {recorded.key.partition(":")[0] for recorded in imported.sessions} == {"epu", "serialem"}
    [epu] = [recorded for recorded in imported.sessions if recorded.key == "epu:4001"]
    told = {remark.path: remark.reason for remark in epu.remarks}
    assert set(told) == {"nav.nav", "sem/shot.tif.mdoc"}
    assert set(told.values()) == {"it is SerialEM's, not EPU's: no part of this session"}
    [failed] = imported.failed
    assert "nav.nav" in failed.reason
