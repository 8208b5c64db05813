"""What people should know about the files of an acquisition."""

from dataclasses import dataclass
from enum import StrEnum


class RemarkKind(StrEnum):
    """Why a file is mentioned.

    Attributes:
        IGNORED: No file of an acquisition; left alone.
        UNREADABLE: Damaged, or not yet whole when reading ended.
        ORPHAN: It was used, but what it lies in (square, hole) has no record of its own.
        INCOMPLETE: A picture without its metadata, or metadata without any picture.
        DUPLICATE: A second file of what another file tells already; the other one was used.
        MISSING: Another file names it, or a session has it, and it is not there.
        GARBLED: It was used; values in it that are no numbers or times count as unknown.
    """

    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"
    INCOMPLETE = "incomplete"
    DUPLICATE = "duplicate"
    MISSING = "missing"
    GARBLED = "garbled"


@dataclass(frozen=True, slots=True, order=True)
class FileRemark:
    """What people should know about a file.

    Attributes:
        path: Relative to the acquisition's root.
        reason: What is the matter, and what was done.
    """

    path: str
    kind: RemarkKind
    reason: str


__all__ = ["FileRemark", "RemarkKind"]
