"""Derived files (thumbnails, tiles, compiled networks): content-addressed, and always safe to delete."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from structloop.core.errors import StoreUnavailableError


class DerivedFiles:
    """Derived files under one folder. A file's address is the digest of what it is made from and how.

    The same inputs always give the same address, so two processes may make the same file at once: each writes its own
    temporary file and renames it into place, and a killed process leaves nothing half-written behind.

    Args:
        root: Folder of the derived files; made when needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def address(self, kind: str, source_sha256: str, **parameters: str | float | bool) -> str:
        """Address of what `kind` with `parameters` makes of the source with that digest: a hex SHA-256."""
        recipe = "\n".join(f"{name}={value!r}" for name, value in sorted(parameters.items()))
        return hashlib.sha256(f"{kind}\n{source_sha256}\n{recipe}".encode()).hexdigest()

    def path(self, kind: str, address: str, suffix: str) -> Path:
        """Where the file of that address lies, whether it exists or not."""
        return self.root / kind / address[:2] / f"{address}{suffix}"

    def get_or_make(
        self,
        kind: str,
        source_sha256: str,
        suffix: str,
        make: Callable[[Path], None],
        **parameters: str | float | bool,
    ) -> Path:
        """The file's path; `make(temporary_path)` is called to write it where it does not exist yet.

        `make` may write a file or a folder at the path it is given.

        Raises:
            StoreUnavailableError: the folder cannot be written (disk full, no permission).
        """
        target = self.path(kind, self.address(kind, source_sha256, **parameters), suffix)
        if target.exists():
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
                temporary = Path(folder) / target.name
                make(temporary)
                _rename_unless_there(temporary, target)
        except OSError as error:
            raise StoreUnavailableError(
                f"derived file {target} cannot be written: {error.strerror or error}; free some space or check the "
                "permissions of the home folder (everything below it that is derived may be deleted)"
            ) from error
        return target

    def clear(self, kind: str | None = None) -> None:
        """Deletes all derived files, or those of one kind; they are made again when needed."""
        shutil.rmtree(self.root / kind if kind else self.root, ignore_errors=True)


def _rename_unless_there(temporary: Path, target: Path) -> None:
    try:
        os.replace(temporary, target)  # noqa: PTH105  # Path.replace says the same with a less clear name here
    except OSError:
        # A folder that another process has just put in place cannot be replaced; the contents are the same.
        if not target.exists():
            raise


__all__ = ["DerivedFiles"]
