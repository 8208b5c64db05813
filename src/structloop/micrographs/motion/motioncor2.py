"""What MotionCor2 writes of motion: its log, and the `-LogFile` of a movie's whole frames.

The log says `...... Add Frame #012 with xy shift: -0.14500 0.75500` and which frame is the reference; the log file
has a row `frame x y` per frame. Both give what is added to bring a frame back, in pixels.
"""

import re
from pathlib import Path

import numpy as np

from structloop.core.errors import MotionFileError
from structloop.schema.motion import MotionTrack

_ADDED = re.compile(r"Add Frame #(\d+) with xy shift:\s*(\S+)\s+(\S+)")
_REFERENCE = re.compile(r"Reference Frame #(\d+)")
_ROW = re.compile(r"^\s*(\d+)\s+(-?[\d.]+(?:[eE][-+]?\d+)?)\s+(-?[\d.]+(?:[eE][-+]?\d+)?)\s*$")


def read_motioncor2_log(path: Path) -> MotionTrack:
    """The path of the whole from a log of MotionCor2, frames counted from 0.

    Raises:
        MotionFileError: it cannot be read, has no shifts, a frame twice, or a value that is no number.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MotionFileError(f"{path} cannot be read: {error.strerror or error}") from error
    from_log = _ADDED.findall(text)
    rows = from_log or [match.groups() for match in map(_ROW.match, text.splitlines()) if match]
    if not rows:
        raise MotionFileError(f"{path} has no shifts of frames; is it a log of MotionCor2?")
    try:
        frames = np.array([int(row[0]) for row in rows], np.int64)
        undone = np.array([[float(row[1]), float(row[2])] for row in rows])
    except ValueError as error:
        raise MotionFileError(f"{path}: a shift is no number: {error}") from error
    if len(set(frames.tolist())) < len(frames) or not np.isfinite(undone).all():
        raise MotionFileError(f"{path}: a frame stands there twice, or a shift is no number; give the log of one movie")
    if not from_log:
        # The log file counts from 1, except where its first frame was thrown away.
        frames = frames - 1
    named = _REFERENCE.search(text)
    reference = int(named.group(1)) if named else int(frames[np.abs(undone).sum(axis=1).argmin()])
    return MotionTrack(path.name, "MotionCor2", frames, -undone, reference)


__all__ = ["read_motioncor2_log"]
