"""Finding image files below a folder, whatever else lies there."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from structloop.imaging import IMAGE_ENDINGS
from structloop.schema.crystals import FileProblem

Report = Callable[[FileProblem], None]

_TEMPORARY_ENDINGS = frozenset({".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".swp"})
_THUMBNAIL_NAME = re.compile(r"(?:[_-]th|[_-]?thumb(?:nail)?s?)$|^(?:thumb(?:nail)?s?)[_-]", re.IGNORECASE)
_THUMBNAIL_FOLDER = re.compile(r"thumb(?:nail)?s?", re.IGNORECASE)
# Folders that file servers and archives keep for themselves.
_SYSTEM_FOLDERS = frozenset(
    {"@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file with an image's ending, and its state when it was seen."""

    path: Path
    size_bytes: int
    modified_ns: int


class Scan:
    """One look through a folder and all below it, in natural order (`batch_2` before `batch_10`).

    Symbolic links are followed, each folder once. What cannot be read is reported and passed over.

    Args:
        root: Absolute path of the folder.
        report: Called with every folder or file that cannot be used.

    Attributes:
        skipped: How many files were passed over, by reason.
    """

    def __init__(self, root: Path, report: Report) -> None:
        self.root = root
        self.skipped: Counter[str] = Counter()
        self._report = report

    def __iter__(self) -> Iterator[FoundFile]:
        """The image files."""
        seen: set[tuple[int, int]] = set()
        # Each folder with the identities of those above it: meeting one of them again is a loop.
        waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(self.root, frozenset())]
        while waiting:
            folder, above = waiting.pop()
            try:
                status = folder.stat()
                identity = (status.st_dev, status.st_ino)
                if identity in above:
                    self._report(FileProblem(folder, "is a symbolic link to a folder above it (a loop); not followed"))
                    continue
                if identity in seen:
                    self.skipped["folders reached twice through symbolic links"] += 1
                    continue
                seen.add(identity)
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: natural(entry.name))
            except OSError as error:
                self._report(FileProblem(printable(folder), f"folder cannot be read: {_reason(error)}"))
                continue
            folders = []
            for entry in found:
                if not is_text(entry.name):
                    self._report(FileProblem(printable(Path(entry.path)), "its name is not valid UTF-8; rename it"))
                elif _is_folder(entry):
                    if self._wanted_folder(entry.name):
                        folders.append((Path(entry.path), above | {identity}))
                else:
                    yield from self._file(entry)
            waiting.extend(reversed(folders))

    def _wanted_folder(self, name: str) -> bool:
        if name.startswith(".") or name.lower() in _SYSTEM_FOLDERS:
            self.skipped["hidden and system folders"] += 1
            return False
        if _THUMBNAIL_FOLDER.fullmatch(name):
            self.skipped["folders of thumbnails"] += 1
            return False
        return True

    def _file(self, entry: os.DirEntry[str]) -> Iterator[FoundFile]:
        path = Path(entry.path)
        noise = what_noise(path)
        if noise is not None:
            self.skipped[noise] += 1
            return
        found = look_at(path, self._report)
        if found is not None:
            yield found


def look_at(path: Path, report: Report) -> FoundFile | None:
    """The state of one file; None, and reported, where it cannot be looked at."""
    try:
        status = path.stat()
    except FileNotFoundError:
        is_link = path.is_symlink()
        report(FileProblem(path, "is a symbolic link to nothing" if is_link else "is not there (any more)"))
        return None
    except OSError as error:
        report(FileProblem(path, f"cannot be looked at: {_reason(error)}"))
        return None
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def what_noise(path: Path) -> str | None:
    """Why a file that lies between images is no image to import, by its name; None if it may be one."""
    name, ending = path.name, path.suffix.lower()
    if name.startswith((".", "~")):
        return "hidden files"
    if ending in _TEMPORARY_ENDINGS:
        return "temporary files"
    if ending not in IMAGE_ENDINGS:
        return f"{ending} files" if ending else "files without an ending"
    if _THUMBNAIL_NAME.search(name[: -len(ending)]):
        return "thumbnails"
    return None


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorting key that counts numbers as numbers; any two keys can be compared."""
    pieces = re.split(r"([0-9]+)", name)
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces if piece]


def sample_of(files: Iterable[FoundFile], root: Path, *, per_folder: int = 40, total: int = 800) -> list[Path]:
    """Paths of some files, relative to `root`, from as many folders as possible: what a layout is recognised by."""
    taken: Counter[Path] = Counter()
    sample: list[Path] = []
    for file in files:
        if taken[file.path.parent] >= per_folder:
            continue
        taken[file.path.parent] += 1
        sample.append(file.path.relative_to(root) if file.path.is_relative_to(root) else file.path)
        if len(sample) >= total:
            break
    return sample


def printable(path: Path) -> Path:
    """The path with bytes that are not UTF-8 written as escapes, so that it can be shown and stored."""
    return Path(os.fsencode(path).decode("utf-8", errors="backslashreplace"))


def is_text(name: str) -> bool:
    """Whether a name of the file system is valid UTF-8, and so can be stored."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself; looking at it as a file reports it.
        return False


def _reason(error: OSError) -> str:
    return str(error.strerror or error)


__all__ = ["FoundFile", "Scan", "is_text", "look_at", "natural", "printable", "sample_of", "what_noise"]
