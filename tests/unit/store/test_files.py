from pathlib import Path

import pytest

from structloop.core.errors import StoreUnavailableError
from structloop.store import DerivedFiles

SOURCE = "ab" * 32


def test_made_once_and_again_after_deletion(tmp_path: Path) -> None:
    files = DerivedFiles(tmp_path / "derived")
    calls: list[Path] = []

    def make(path: Path) -> None:
        calls.append(path)
        path.write_bytes(b"thumbnail")

    first = files.get_or_make("thumbnails", SOURCE, ".webp", make, longest_px=320)
    assert files.get_or_make("thumbnails", SOURCE, ".webp", make, longest_px=320) == first
    assert len(calls) == 1
    files.clear()
    assert files.get_or_make("thumbnails", SOURCE, ".webp", make, longest_px=320).read_bytes() == b"thumbnail"
    assert len(calls) == 2


def test_other_parameters_make_another_file(tmp_path: Path) -> None:
    files = DerivedFiles(tmp_path)
    assert files.address("t", SOURCE, px=1) != files.address("t", SOURCE, px=2)
    assert files.address("t", SOURCE, px=1) == files.address("t", SOURCE, px=1)


def test_a_failing_maker_leaves_nothing_behind(tmp_path: Path) -> None:
    files = DerivedFiles(tmp_path)

    def make(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("bad image")

    with pytest.raises(ValueError, match="bad image"):
        files.get_or_make("t", SOURCE, ".png", make)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_disk_is_a_store_error(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreUnavailableError, match="No space left"):
        DerivedFiles(tmp_path).get_or_make("t", SOURCE, ".png", make)


def test_folders_can_be_made_too(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        path.mkdir()
        (path / "0.jpg").write_bytes(b"x")

    made = DerivedFiles(tmp_path).get_or_make("tiles", SOURCE, "", make)
    assert (made / "0.jpg").read_bytes() == b"x"
