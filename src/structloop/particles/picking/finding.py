"""Which files a person means by a folder, a pattern, or a list of micrographs."""

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from structloop.core.errors import ImageMissingError, ParticlesError
from structloop.imaging.micrographs import MICROGRAPH_ENDINGS
from structloop.particles.coordinates import plain_name, read_micrograph_list
from structloop.particles.coordinates.places import find_file


@dataclass(frozen=True, slots=True)
class FoundMicrograph:
    """A micrograph's file, and the name that picks are written under.

    Attributes:
        name: As the folder, pattern or list leads to it, with `/` between folders.
        path: Where it is; for one that is listed and missing, where it would be.
    """

    name: str
    path: Path


def find_micrographs(source: str) -> list[FoundMicrograph]:
    """The micrographs of a folder, of a pattern such as `Micrographs/*.mrc`, or of a STAR file; sorted by name.

    Files are not opened. Of a folder, only the files in it count, not those in folders below; hidden ones do not.

    Raises:
        ParticlesError: there is none, or two differ only in their endings.
        CoordinateFileError: a STAR file names no micrographs.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() == ".star" and path.is_file():
        listed = read_micrograph_list(str(path))
        found = [
            FoundMicrograph(each.micrograph, find_file(each.micrograph, path) or path.parent / each.micrograph)
            for each in listed
        ]
        return _once(found)
    if path.is_dir():
        files: Iterable[Path] = path.iterdir()
    elif path.is_file():
        files = [path]
    else:
        files = (Path(each) for each in glob.glob(str(path), recursive=True))  # noqa: PTH207
    found = [FoundMicrograph(each.as_posix(), each) for each in sorted(_pictures(files))]
    if not found:
        what = "holds no micrograph" if path.is_dir() else "leads to no micrograph"
        raise ParticlesError(
            f"'{source}' {what}: give a folder or a pattern (in quotes) of files that end in "
            f"{', '.join(sorted(MICROGRAPH_ENDINGS))}"
        )
    return _once(found)


def _pictures(files: Iterable[Path]) -> Iterator[Path]:
    for each in files:
        if each.suffix.lower() in MICROGRAPH_ENDINGS and not each.name.startswith(".") and each.is_file():
            yield each


def _once(found: list[FoundMicrograph]) -> list[FoundMicrograph]:
    seen: dict[tuple[str, str], FoundMicrograph] = {}
    for each in found:
        folder = each.name.rpartition("/")[0]
        other = seen.setdefault((folder, plain_name(each.name)), each)
        if other is not each:
            raise ParticlesError(
                f"'{other.name}' and '{each.name}' differ only in their endings, and picks are matched without them; "
                f"give a pattern that takes one of them, such as '{folder or '.'}/*{Path(each.name).suffix}'"
            )
    return found


def check_there(found: FoundMicrograph) -> None:
    """That a micrograph's file is there.

    Raises:
        ImageMissingError: it is not.
    """
    if not found.path.is_file():
        raise ImageMissingError(f"{found.path} is not there; it is listed as '{found.name}'")


__all__ = ["FoundMicrograph", "check_there", "find_micrographs"]
