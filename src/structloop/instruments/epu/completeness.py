"""What belongs to every session of EPU's and is not there; and what to call a session that has no list of its own."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from structloop.instruments.epu.contents import Contents, Junk
from structloop.instruments.epu.names import FileName, Role
from structloop.instruments.epu.session_list import SessionFile
from structloop.schema.grids import AcquisitionRecord, FileRemark, ImageLevel, RemarkKind, SessionRecord

_OF_SESSION = {ImageLevel.SQUARE, ImageLevel.HOLE, ImageLevel.EXPOSURE}


def missing_remarks(files: Iterable[tuple[FileName, Contents]], record: AcquisitionRecord) -> list[FileRemark]:
    """What to say of lists that every session has and this one lacks, and of what is unknown without them.

    An atlas alone is complete as it is. A list that is there and damaged is not missing.
    """
    files = [(name, contents) for name, contents in files if not isinstance(contents, Junk)]
    roles = {name.role for name, _ in files}
    if (
        Role.SESSION not in roles
        and Role.SQUARE not in roles
        and not any(name.level in _OF_SESSION for name, _ in files)
    ):
        return []
    session = next((contents for _, contents in files if isinstance(contents, SessionFile)), None)
    folder = _folder(files)
    remarks: list[FileRemark] = []

    def missing(path: str, reason: str) -> None:
        remarks.append(FileRemark(f"{folder}{path}", RemarkKind.MISSING, reason))

    if Role.SESSION not in roles:
        missing("EpuSession.dm", "the session's name, start, slot, hole size and areas are unknown")
    if Role.ATLAS not in roles:
        lay = "" if session is None or session.atlas_path is None else f"; it lay in {session.atlas_path}"
        missing("Atlas.dm", f"where squares lie on the atlas is unknown{lay}: import a folder that holds both")
    if Role.SQUARE not in roles and (session is None or not session.inline):
        missing("Metadata", "there is no list of a square (GridSquare_<id>.dm): holes are known by their images only")
        return remarks
    listed = {name.square for name, _ in files if name.role is Role.SQUARE}
    used = {hole.square_key for hole in record.holes} | {square.key for square in record.squares if square.images}
    without = {square.key for square in record.squares if square.targets is None}
    for key in sorted((used & without) - listed - {None}, key=str):
        missing(f"Metadata/GridSquare_{key}.dm", f"the holes of square {key} are known by their images only")
    return remarks


def nameless_session(root: Path, files: Iterable[tuple[FileName, Contents]]) -> SessionRecord:
    """The session of files that no `EpuSession.dm` comes with: it goes by the folder that they lie in.

    The folder's place is in its key: two such folders of one name are two sessions.
    """
    home = (root / _folder([file for file in files if not isinstance(file[1], Junk)])).resolve()
    return SessionRecord(key=nameless_key(home), name=home.name, program="EPU")


def nameless_key(home: Path) -> str:
    """The key of a session that is known by its folder only."""
    place = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    return f"{home.resolve().name[-370:]} {place}"


def earlier_keys(record: AcquisitionRecord) -> tuple[str, ...]:
    """Keys that a session may have had before all its lists had come: of its own folder, and of its atlas alone."""
    homes = [] if record.session.metadata_path is None else [(record.root / record.session.metadata_path).parent]
    lists = [atlas.metadata_path for atlas in record.atlases if atlas.metadata_path is not None]
    homes += [record.root / _without_atlas(path.rpartition("/")[0]) for path in lists]
    return tuple(key for key in map(nameless_key, homes) if key != record.session.key)


def _without_atlas(folder: str) -> str:
    """An atlas lies in `Sample4/Atlas`."""
    return re.sub(r"(^|/)Atlas$", "", folder, flags=re.IGNORECASE)


def _folder(files: list[tuple[FileName, Contents]]) -> str:
    """The session's own folder, relative to the root: empty, or with `/` at its end."""
    for name, _ in files:
        if name.role is Role.SESSION:
            return _ended(name.folder)
    homes = []
    for name, _ in files:
        parts = name.folder.split("/")
        above = [
            at for at, part in enumerate(parts) if part.lower() == "metadata" or part.lower().startswith("images-d")
        ]
        if above:
            homes.append("/".join(parts[: above[0]]))
    atlases = [_without_atlas(name.folder) for name, _ in files if name.role is Role.ATLAS]
    return _ended(min(homes or atlases or [""], key=lambda home: (len(home), home)))


def _ended(folder: str) -> str:
    return f"{folder}/" if folder else ""


__all__ = ["earlier_keys", "missing_remarks", "nameless_key", "nameless_session"]
