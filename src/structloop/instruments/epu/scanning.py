"""Looking through a session's folders: every file once, links only where they stay inside."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from structloop.core.errors import AcquisitionFileError

_MOST_FILES = 5_000_000
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was seen.

    Attributes:
        path: Relative to the root, with `/`.
        size_bytes, modified_ns: To see whether it changes.
        reason: Why it must not be opened; empty where it may.
    """

    path: str
    size_bytes: int
    modified_ns: int
    reason: str = ""


def scan(root: Path, folder: str = "") -> Iterator[SeenFile]:
    """All files below a folder of the root, in no particular order; folders that vanish meanwhile are left out.

    Linked folders are not entered. A linked file counts where it leads to a file inside the root; else it comes with a
    reason.

    Raises:
        AcquisitionFileError: there are more files than any session has.
    """
    inside = root.resolve()
    waiting = [(folder, folder.count("/") + bool(folder))]
    count = 0
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = os.scandir(root / folder)
        except OSError:
            continue
        with entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if depth < _DEEPEST:
                        waiting.append((path, depth + 1))
                    continue
                seen = _look(inside, path, entry)
                if seen is not None:
                    count += 1
                    if count > _MOST_FILES:
                        raise AcquisitionFileError(
                            f"{root} has more than {_MOST_FILES:,} files; name a session's folder"
                        )
                    yield seen


def look_at(root: Path, path: str) -> SeenFile | None:
    """A file below the root as it is now; None where there is none."""
    try:
        full = root / path
        stat = full.stat()
        if not full.is_file():
            return None
        inside = full.resolve().is_relative_to(root.resolve())
    except OSError:
        return None
    return SeenFile(path, stat.st_size, stat.st_mtime_ns, "" if inside else _LEADS_OUT)


_LEADS_OUT = "it is a link that leads out of the session's folder, and was not followed"


def _look(inside: Path, path: str, entry: "os.DirEntry[str]") -> SeenFile | None:
    try:
        if not entry.is_symlink():
            if not entry.is_file(follow_symlinks=False):
                return None
            stat = entry.stat(follow_symlinks=False)
            return SeenFile(path, stat.st_size, stat.st_mtime_ns)
        target = Path(entry.path).resolve(strict=True)
        if target.is_dir():
            return SeenFile(path, 0, 0, "it is a link to a folder, and was not followed")
        if not target.is_relative_to(inside) or not target.is_file():
            return SeenFile(path, 0, 0, _LEADS_OUT)
        stat = entry.stat()
        return SeenFile(path, stat.st_size, stat.st_mtime_ns)
    except (OSError, RuntimeError):
        return SeenFile(path, 0, 0, "it is a link that leads nowhere")


__all__ = ["SeenFile", "look_at", "scan"]
