from pathlib import Path

import pytest

from structloop.core.errors import AcquisitionFileError
from structloop.grids.acquisitions.sources import Program, Source, find_sources


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    "names",
    [
        ["EpuSession.dm"],
        ["session/EPUSESSION.DM"],
        ["Sample3/Atlas/Atlas.dm"],
        ["Metadata/GridSquare_12.dm"],
        ["deep/down/Images-Disc1/GridSquare_12/GridSquare_20260101_120000.xml"],
    ],
)
def test_epu_is_known_by_its_lists_and_folders(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *names)
    assert find_sources(tmp_path) == [Source(Program.EPU, tmp_path)]


def test_serialem_is_one_session_per_folder(tmp_path: Path) -> None:
    touch(tmp_path, "grid1/nav.nav", "grid1/a.mrc.mdoc", "grid2/b.mdoc", "c/readme.txt")
    assert find_sources(tmp_path) == [
        Source(Program.SERIALEM, tmp_path / "grid1"),
        Source(Program.SERIALEM, tmp_path / "grid2"),
    ]


@pytest.mark.parametrize("name", ["nav.nav", "a.mrc.mdoc"])
def test_a_file_of_serialem_s_stands_for_itself(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "grid1/nav.nav", "grid1/a.mrc.mdoc", "grid1/EpuSession.dm", "grid1/below/b.mdoc")
    [source] = find_sources(tmp_path / "grid1" / name)
    assert (source.program, source.path, source.only) == (Program.SERIALEM, tmp_path / "grid1", name)
    assert f"name the folder {tmp_path / 'grid1'} to import all of it" in source.note


@pytest.mark.parametrize(
    ("name", "folder", "program"),
    [
        ("night/EpuSession.dm", "night", Program.EPU),
        ("night/Metadata/GridSquare_12.dm", "night", Program.EPU),
        ("Sample3/Atlas/Atlas.dm", "Sample3/Atlas", Program.EPU),
        ("ours/journal.jsonl", "ours", Program.STRUCTLOOP),
    ],
)
def test_a_list_stands_for_its_session_and_it_is_said(tmp_path: Path, name: str, folder: str, program: Program) -> None:
    touch(tmp_path, name, "night/nav.nav")
    [source] = find_sources(tmp_path / name)
    assert (source.program, source.path, source.only) == (program, tmp_path / folder, None)
    assert f"stands for its session: all of {tmp_path / folder} was imported" in source.note


def test_a_journal_s_own_images_are_no_other_session(tmp_path: Path) -> None:
    touch(tmp_path, "night/journal.jsonl", "night/images/slot1/a.mrc.mdoc")
    assert find_sources(tmp_path) == [Source(Program.STRUCTLOOP, tmp_path / "night")]


def test_all_programs_are_found_side_by_side(tmp_path: Path) -> None:
    touch(tmp_path, "epu/EpuSession.dm", "sem/nav.nav", "ours/journal.jsonl", ".hidden/nav.nav")
    assert {source.program for source in find_sources(tmp_path)} == set(Program)
    assert len(find_sources(tmp_path)) == 3


@pytest.mark.parametrize(("name", "said"), [("empty", "holds no session"), ("missing", "there is no")])
def test_where_there_is_none_the_error_says_what_was_looked_for(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AcquisitionFileError, match=said):
        find_sources(tmp_path / name)


def test_a_file_of_no_session_does_not_stand_for_what_lies_around_it(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "nav.nav")
    with pytest.raises(AcquisitionFileError, match=r"notes\.txt is no file of a session's"):
        find_sources(tmp_path / "notes.txt")
