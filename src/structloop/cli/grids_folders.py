"""Folders that a session is written to: new ones, empty ones, or ones that hold a session already."""

from pathlib import Path
from typing import Literal

# Some of what lies there, to say what it is.
_NAMED = 3


def check_session_folder(folder: Path, for_: Literal["running", "recording"]) -> None:
    """Sees that a session may be written to a folder, before anything is opened or moved.

    Args:
        for_: A session that structloop runs, or a recording of what others do; one does not go on with the other.

    Raises:
        SessionFolderError: it holds other things and no session, a session of the other sort, or cannot be looked into.
        JournalError: its session's journal is damaged.
    """
    from structloop.core.errors import SessionFolderError
    from structloop.instruments.journal import JOURNAL_NAME, LOCK_NAME, RESERVE_NAME, read_journal

    own = {JOURNAL_NAME, LOCK_NAME, RESERVE_NAME}
    try:
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise SessionFolderError(
            f"{folder} cannot be looked into: {error.strerror or error}; choose another folder"
        ) from error
    foreign = [name for name in names if name not in own]
    if JOURNAL_NAME not in names and foreign:
        rest = len(foreign) - _NAMED
        more = f" and {rest} more" if rest > 0 else ""
        raise SessionFolderError(
            f"{folder} holds no session but other things ({', '.join(foreign[:_NAMED])}{more}); name a folder that is "
            "not there yet, or one with a session to go on with"
        )
    kinds = {entry.entry for entry in read_journal(folder).entries} if JOURNAL_NAME in names else set()
    if for_ == "recording" and "intended" in kinds:
        raise SessionFolderError(f"{folder} holds a session that structloop ran; record into another folder")
    if for_ == "running" and "observed" in kinds:
        raise SessionFolderError(f"{folder} holds a recording of what others did; choose another folder")


__all__ = ["check_session_folder"]
