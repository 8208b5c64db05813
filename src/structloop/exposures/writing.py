"""Files of results: each whole or not at all, and a full disk told for what it is."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from structloop.core.errors import ExposureError, ImageError, NoSpaceError

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a file beside `path`, which takes its place only once all is written.

    Raises:
        OSError: it cannot be written; what was at `path` stays.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(unfinished)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def no_space_told(out: Path) -> Iterator[None]:
    """A full disk as `NoSpaceError`, and what else cannot be written as `ExposureError`."""
    try:
        yield
    except (OSError, ImageError) as error:
        cause = error if isinstance(error, OSError) and error.errno is not None else error.__cause__
        number = cause.errno if isinstance(cause, OSError) else None
        if number in _NO_SPACE:
            raise NoSpaceError(f"the disk of {out} is full; free some space, and the rest goes on") from error
        if isinstance(error, ImageError):
            raise
        raise ExposureError(f"{out} cannot be written: {error.strerror or error}; check the folder") from error


__all__ = ["no_space_told", "write_whole"]
