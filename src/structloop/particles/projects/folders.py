"""Looking into folders for one that a project could be made of."""

from dataclasses import dataclass
from pathlib import Path

from structloop.core.errors import ImageError, ParticleProjectError
from structloop.imaging.micrographs import MICROGRAPH_ENDINGS, MicrographHeader, probe_micrograph

_HEADERS_TRIED = 5


@dataclass(frozen=True)
class FolderContents:
    """What lies directly in a folder.

    Attributes:
        folders: Names of the folders in it, those that begin with a dot left out.
        micrographs: How many files have a micrograph's ending.
        first: The header of the first one that can be read.
    """

    folders: tuple[str, ...]
    micrographs: int
    first: MicrographHeader | None


def look_into(folder: Path) -> FolderContents:
    """What lies directly in `folder`.

    Raises:
        ParticleProjectError: it is no folder, or may not be read.
    """
    try:
        entries = sorted(folder.iterdir())
        folders = tuple(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        files = [
            entry
            for entry in entries
            if entry.suffix.lower() in MICROGRAPH_ENDINGS and not entry.name.startswith(".") and entry.is_file()
        ]
    except OSError as error:
        raise ParticleProjectError(
            f"folder {folder} cannot be looked into: {error.strerror or error}; check its name and permissions"
        ) from error
    return FolderContents(folders, len(files), _first_header(files))


def pixel_size_of(folder: Path, pattern: str) -> float | None:
    """The pixel size that the first readable micrograph's header gives, in angstrom; None where none does."""
    files = sorted(path for path in folder.glob(pattern) if path.suffix.lower() in MICROGRAPH_ENDINGS)
    header = _first_header(files)
    return None if header is None else header.pixel_size_angstrom


def _first_header(files: list[Path]) -> MicrographHeader | None:
    for path in files[:_HEADERS_TRIED]:
        try:
            return probe_micrograph(path)
        except ImageError:
            # The scan of the project names what is wrong with it.
            continue
    return None


__all__ = ["FolderContents", "look_into", "pixel_size_of"]
