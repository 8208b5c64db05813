from pathlib import Path

import pytest

from structloop.core.errors import NotFoundError, StoreUnavailableError
from structloop.store import KeptFiles


def test_the_same_contents_are_kept_once(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / "kept")
    digest = files.add(b"rows", ".parquet")
    assert files.add(b"rows", ".parquet") == digest
    assert files.read(digest, ".parquet") == b"rows"
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [f"{digest}.parquet"]


def test_what_is_gone_or_damaged_is_told(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path)
    digest = files.add(b"rows", ".parquet")
    files.path(digest, ".parquet").write_bytes(b"other")
    with pytest.raises(NotFoundError, match="is damaged"):
        files.read(digest, ".parquet")
    files.path(digest, ".parquet").unlink()
    with pytest.raises(NotFoundError, match="is gone"):
        files.read(digest, ".parquet")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = KeptFiles(tmp_path / "kept")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreUnavailableError, match="No space left on device"):
        files.add(b"rows", ".parquet")
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []
