"""Reading finished sessions in one go, and telling apart several that lie below one folder."""

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import TypeAlias

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu.assembling import assemble
from structloop.instruments.epu.atlas_list import AtlasFile
from structloop.instruments.epu.contents import Contents, Junk, read_contents
from structloop.instruments.epu.names import FileName, name_file
from structloop.instruments.epu.scanning import SeenFile, scan
from structloop.instruments.epu.session_list import SessionFile
from structloop.schema.grids import AcquisitionRecord

Files: TypeAlias = Mapping[str, tuple[FileName, Contents]]
# `Sample4/Atlas/Atlas.dm` is what a copy of the microscope's folders keeps.
_SHARED_FOLDERS = 3


def read_session(path: Path) -> AcquisitionRecord:
    """A finished EPU session, read in one go: its atlas, squares, holes and exposures.

    The folder may be the session's (with `EpuSession.dm`) or one that holds it and its atlas. Files that cannot be read
    are remarked on, and the others count. What is held in memory grows with the number of images, by about a kilobyte
    each; no pixels are read.

    Raises:
        AcquisitionFileError: there is no such folder, nothing in it is EPU's, or several sessions are.
    """
    records = read_sessions(path)
    with_session = [record for record in records if record.squares or record.exposures or not record.atlases]
    if len(records) > 1 and len(with_session) == 1:
        return with_session[0]
    if len(records) > 1:
        names = ", ".join(sorted(record.session.name or record.session.key for record in records))
        raise AcquisitionFileError(f"{path} holds {len(records)} sessions ({names}); name the folder of one")
    return records[0]


def read_sessions(path: Path) -> tuple[AcquisitionRecord, ...]:
    """All EPU sessions below a folder, each with the atlas that it was planned on.

    An atlas that no session there uses is a record of its own.

    Raises:
        AcquisitionFileError: there is no such folder, or nothing in it is EPU's.
    """
    if not path.is_dir():
        raise AcquisitionFileError(f"{path} is no folder; name the one with EpuSession.dm in it")
    files = {seen.path: read_seen(path, seen) for seen in scan(path)}
    if all(isinstance(contents, Junk) for _, contents in files.values()):
        raise AcquisitionFileError(f"{path} holds no file of EPU's; name the folder with EpuSession.dm in it")
    return tuple(assemble(path, group) for group in groups(files))


def read_seen(root: Path, seen: SeenFile) -> tuple[FileName, Contents]:
    """What a file is and tells."""
    name = name_file(seen.path)
    return name, Junk(seen.reason) if seen.reason else read_contents(root, name)


def groups(files: Files) -> list[Files]:
    """The files of each session. Pure, so that the order in which files were read changes nothing."""
    sessions = {path: contents for path, (_, contents) in sorted(files.items()) if isinstance(contents, SessionFile)}
    atlases = {path: contents for path, (_, contents) in sorted(files.items()) if isinstance(contents, AtlasFile)}
    folders = {path: path.rpartition("/")[0] for path in sessions}
    # A second list in the same folder is a copy of the first.
    mains = [path for path in sessions if folders[path] not in {folders[other] for other in sessions if other < path}]
    if len(mains) + len(atlases) <= 1:
        return [files]
    atlas_of_file = {path: _atlas_above(path, atlases) for path in files}
    result: list[Files] = []
    claimed: set[str] = set()
    for main in mains:
        mine = {path for path, atlas in atlases.items() if _belongs(path, atlas, main, sessions[main])}
        if len(mains) == len(atlases) == 1 and not _both_name_squares(sessions[main], *atlases.values()):
            mine = set(atlases)
        claimed |= mine
        result.append(
            {
                path: file
                for path, file in files.items()
                if atlas_of_file[path] in mine
                or (atlas_of_file[path] is None and _session_above(path, mains, folders) == main)
            }
        )
    result.extend(
        {path: file for path, file in files.items() if atlas_of_file[path] == atlas}
        for atlas in atlases
        if atlas not in claimed
    )
    rest = {path: file for path, file in files.items() if atlas_of_file[path] is None}
    if not mains and any(not isinstance(contents, Junk) for _, contents in rest.values()):
        result.append(rest)
    return result


def _belongs(path: str, atlas: AtlasFile, main: str, session: SessionFile) -> bool:
    """Whether a session was planned on an atlas: by its squares, else by folder, or the path that the session names."""
    if _both_name_squares(session, atlas):
        return not atlas.squares.keys().isdisjoint(session.squares)
    folder = main.rpartition("/")[0]
    if folder and path.startswith(f"{folder}/"):
        return True
    named = [part.lower() for part in reversed(PureWindowsPath(session.atlas_path or "").parts)]
    ours = [part.lower() for part in reversed(path.split("/"))]
    return named[:_SHARED_FOLDERS] == ours[:_SHARED_FOLDERS]


def _both_name_squares(session: SessionFile, atlas: AtlasFile) -> bool:
    return bool(session.squares) and bool(atlas.squares)


def _atlas_above(path: str, atlases: Mapping[str, AtlasFile]) -> str | None:
    """The atlas in whose folder a file lies, if that is no session's folder too."""
    folder = path.rpartition("/")[0]
    return next((atlas for atlas in atlases if atlas.rpartition("/")[0] == folder), None)


def _session_above(path: str, mains: list[str], folders: Mapping[str, str]) -> str:
    """The session in whose folder a file lies, the deepest of them; the first one takes what lies in none."""
    around = [main for main in mains if not folders[main] or path.startswith(f"{folders[main]}/")]
    return max(around, key=lambda main: len(folders[main]), default=mains[0])


__all__ = ["Files", "groups", "read_seen", "read_session", "read_sessions"]
