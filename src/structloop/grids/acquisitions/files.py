"""The files of images: their size, time of change and SHA-256. They are only ever read."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from structloop.grids.acquisitions.rows import Row

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What identifies a file's contents."""

    path: str
    size_bytes: int
    modified_at: datetime
    sha256: str

    def row(self) -> Row:
        """As columns."""
        return {
            "path": self.path,
            "size_bytes": self.size_bytes,
            "modified_at": self.modified_at,
            "sha256": self.sha256,
        }


def file_facts(path: Path, known: FileFacts | None) -> FileFacts:
    """The facts of a file; one that has the size and time it had is not read again.

    Raises:
        OSError: it cannot be read.
    """
    status = path.stat()
    modified_at = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1e6, UTC)
    same = known is not None and (known.path, known.size_bytes) == (str(path), status.st_size)
    if same and known is not None and known.modified_at == modified_at:
        return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return FileFacts(str(path), status.st_size, modified_at, digest.hexdigest())


__all__ = ["FileFacts", "file_facts"]
