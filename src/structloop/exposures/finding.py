"""Which movies a person means, each with the files beside it that tell of it."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from structloop.core.errors import ImageMissingError
from structloop.micrographs.movies import MOVIE_ENDINGS

_BESIDE = (".xml", ".mdoc")
# What programs append to the name of an image for its frames.
_FRAMES = re.compile(r"[-_](fractions|eer|frames|movie|stack)$", re.IGNORECASE)
_INDEX_EVERY_S = 20.0

Stamp = tuple[int, int]
"""Size in bytes, and time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class FoundMovie:
    """A movie's file as it was seen.

    Attributes:
        path: Absolute.
        stamp: Its size and time of change.
        beside: Files that may tell of it, each with its stamp.
    """

    path: Path
    stamp: Stamp
    beside: tuple[tuple[Path, Stamp], ...] = ()

    @property
    def name(self) -> str:
        """What its results are called by."""
        return self.path.stem


@dataclass
class Source:
    """A movie, a folder of movies, or a pattern; looked through anew each time.

    Args:
        where: The path or pattern. Of a folder, files in it count, and not those in folders below.
        recursive: Whether those below count, too.
        metadata: A further folder, with those below it, where files that tell of a movie lie.
        leave_out: Files that are no movies, such as the gain reference, and folders, such as that of the results.
    """

    where: str
    recursive: bool = False
    metadata: Path | None = None
    leave_out: tuple[Path, ...] = ()
    _index: dict[str, Path] = field(default_factory=dict, init=False)
    _indexed: float = field(default=-1e9, init=False)

    def look(self) -> list[FoundMovie]:
        """The movies that are there now, in the order of their names; hidden files are not looked at."""
        path = Path(self.where).expanduser().absolute()
        if path.is_dir():
            found = self._in_folder(path)
        elif path.is_file():
            found = self._chosen([path])
        else:
            start = Path(path.anchor)
            found = self._chosen(each for each in start.glob(str(path.relative_to(start))) if each.is_file())
        left_out = {each.absolute() for each in self.leave_out}
        kept = (each for each in found if left_out.isdisjoint((each.path, *each.path.parents)))
        return sorted(kept, key=lambda each: each.path)

    def look_once(self) -> list[FoundMovie]:
        """The same, where there must be some.

        Raises:
            ImageMissingError: there are none.
        """
        found = self.look()
        if not found:
            raise ImageMissingError(
                f"{self.where} is no movie, no folder of movies, and no pattern that fits one; movies end in "
                f"{', '.join(sorted(MOVIE_ENDINGS))}"
            )
        return found

    def _in_folder(self, folder: Path) -> Iterator[FoundMovie]:
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            files, folders = _entries(folder)
            if self.recursive:
                waiting += folders
            movies = [name for name in files if os.path.splitext(name)[1].lower() in MOVIE_ENDINGS]  # noqa: PTH122
            yield from self._with_beside(folder, movies, files)

    def _chosen(self, paths: Iterable[Path]) -> Iterator[FoundMovie]:
        by_folder: dict[Path, list[str]] = {}
        for path in paths:
            by_folder.setdefault(path.parent, []).append(path.name)
        for folder, names in by_folder.items():
            files, _ = _entries(folder)
            yield from self._with_beside(folder, [name for name in names if name in files], files)

    def _with_beside(self, folder: Path, movies: list[str], files: dict[str, Stamp]) -> Iterator[FoundMovie]:
        telling = {name.lower(): name for name in files if name.lower().endswith(_BESIDE)}
        for name in movies:
            wanted = _names_beside(name)
            beside = [(folder / telling[each], files[telling[each]]) for each in wanted if each in telling]
            if not beside and self.metadata is not None:
                beside = self._elsewhere(wanted)
            yield FoundMovie(folder / name, files[name], tuple(beside))

    def _elsewhere(self, wanted: list[str]) -> list[tuple[Path, Stamp]]:
        if self.metadata is not None and time.monotonic() - self._indexed > _INDEX_EVERY_S:
            self._index = {}
            for root, _, names in os.walk(self.metadata):
                for name in names:
                    if name.lower().endswith(_BESIDE):
                        self._index[name.lower()] = Path(root) / name
            self._indexed = time.monotonic()
        found = []
        for name in wanted:
            path = self._index.get(name)
            if path is not None and path.is_file():
                status = path.stat()
                found.append((path.absolute(), (status.st_size, status.st_mtime_ns)))
        return found


def plain_name(name: str) -> str:
    """A movie's name, without ending, as that of its image: `..._Fractions`, say, is taken off."""
    return _FRAMES.sub("", name)


def _names_beside(name: str) -> list[str]:
    """Names, in lower case, of files that tell of a movie, those that say most first."""
    stem = name.rpartition(".")[0]
    plain = plain_name(stem)
    wanted = [f"{plain}.xml", f"{stem}.xml", f"{name}.mdoc", f"{stem}.mdoc", f"{plain}.mdoc"]
    return list(dict.fromkeys(each.lower() for each in wanted))


def _entries(folder: Path) -> tuple[dict[str, Stamp], list[Path]]:
    """Files with their stamps, and folders; what vanishes meanwhile is left out."""
    files: dict[str, Stamp] = {}
    folders: list[Path] = []
    try:
        entries = os.scandir(folder)
    except OSError:
        return files, folders
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                elif entry.is_file():
                    status = entry.stat()
                    files[entry.name] = (status.st_size, status.st_mtime_ns)
            except OSError:
                continue
    return files, folders


__all__ = ["FoundMovie", "Source", "Stamp", "plain_name"]
