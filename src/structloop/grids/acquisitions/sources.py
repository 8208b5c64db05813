"""Which programs' sessions lie below a folder: told by the names of files alone, nothing is opened."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.journal import JOURNAL_NAME

_EPU_FILES = {"epusession.dm", "atlas.dm"}
_SERIALEM_ENDINGS = {".nav", ".mdoc"}


class Program(StrEnum):
    """Whose files they are."""

    EPU = "epu"
    SERIALEM = "serialem"
    STRUCTLOOP = "structloop"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A folder of sessions, or one file that stands for itself.

    Attributes:
        path: Of EPU, a folder with any number of sessions below it (a session and its atlas may lie apart); of the
            others, the folder of one session.
        only: Name of the one file of SerialEM's in it that was asked for; None where all of the folder was.
        note: What people should know of what a file that they named stands for; empty where they named a folder.
    """

    program: Program
    path: Path
    only: str | None = None
    note: str = ""


def find_sources(path: Path) -> list[Source]:
    """The sessions below a folder, or that of one file.

    A file of SerialEM's stands for itself. A list of EPU's or a journal says nothing without the files around it, so it
    stands for its session's folder; `note` says so.

    Raises:
        AcquisitionFileError: there is no such folder or file, it cannot be read, or it holds no session.
    """
    if not path.exists():
        raise AcquisitionFileError(f"there is no {path}; name the folder of a session")
    return _below(path) if path.is_dir() else [_of_file(path)]


def _of_file(path: Path) -> Source:
    name, folder = path.name, path.parent
    kind = path.suffix.lower()
    if kind == ".nav":
        note = f"{name} was imported, with the .mdoc files of its maps; name the folder {folder} to import all of it"
        return Source(Program.SERIALEM, folder, name, note)
    if kind == ".mdoc":
        note = f"{name} was imported alone; name the folder {folder} to import all of it"
        return Source(Program.SERIALEM, folder, name, note)
    if name == JOURNAL_NAME:
        return Source(Program.STRUCTLOOP, folder, note=f"{name} stands for its session: all of {folder} was imported")
    if name.lower() in _EPU_FILES or _is_square_list(name):
        if folder.name.lower() == "metadata":
            folder = folder.parent
        return Source(Program.EPU, folder, note=f"{name} stands for its session: all of {folder} was imported")
    raise AcquisitionFileError(
        f"{path} is no file of a session's: name a folder, EpuSession.dm, .nav or .mdoc file, or {JOURNAL_NAME}"
    )


def _below(folder: Path) -> list[Source]:
    unreadable: list[OSError] = []
    sources: set[Source] = set()
    for place, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if JOURNAL_NAME in names:
            sources.add(Source(Program.STRUCTLOOP, Path(place)))
            # What lies below it is its own images.
            folders.clear()
            continue
        if any(name.lower() in _EPU_FILES or _is_square_list(name) for name in names) or _has_images(folders):
            sources.add(Source(Program.EPU, folder))
        if any(Path(name).suffix.lower() in _SERIALEM_ENDINGS for name in names):
            sources.add(Source(Program.SERIALEM, Path(place)))
    if unreadable and not sources:
        raise AcquisitionFileError(f"{unreadable[0].filename} cannot be read: {unreadable[0].strerror}")
    if not sources:
        raise AcquisitionFileError(
            f"{folder} holds no session: no EpuSession.dm, Atlas.dm or Images-Disc folder (EPU), no .nav or .mdoc file "
            f"(SerialEM), no {JOURNAL_NAME} (structloop)"
        )
    return sorted(sources)


def _is_square_list(name: str) -> bool:
    return name.lower().startswith("gridsquare_") and name.lower().endswith(".dm")


def _has_images(folders: list[str]) -> bool:
    return any(name.lower().startswith("images-disc") for name in folders)


__all__ = ["Program", "Source", "find_sources"]
