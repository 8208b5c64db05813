"""Kept files (manifests of data sets): content-addressed like derived files, but nothing can make them again."""

import hashlib
import os
import tempfile
from pathlib import Path

from structloop.core.errors import NotFoundError, StoreUnavailableError


class KeptFiles:
    """Files under one folder, each called by the digest of its contents; once written, never changed.

    Args:
        root: Folder of the files; made when needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, suffix: str) -> Path:
        """Where the file with that digest lies, whether it exists or not."""
        return self.root / sha256[:2] / f"{sha256}{suffix}"

    def add(self, data: bytes, suffix: str) -> str:
        """Keeps a file, in full or not at all; the same contents are kept once.

        Returns:
            Its hex SHA-256.

        Raises:
            StoreUnavailableError: the folder cannot be written (disk full, no permission).
        """
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest, suffix)
        temporary: Path | None = None
        try:
            if target.exists():
                return digest
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=target.parent)
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise StoreUnavailableError(
                f"{target} cannot be written: {error.strerror or error}; free some space or check the permissions of "
                "the home folder"
            ) from error
        return digest

    def read(self, sha256: str, suffix: str) -> bytes:
        """The contents of a file, checked against its digest.

        Raises:
            NotFoundError: it is missing, or holds something else.
            StoreUnavailableError: it cannot be read.
        """
        path = self.path(sha256, suffix)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"the file {path} is gone; put it back from a backup of the home folder") from error
        except OSError as error:
            raise StoreUnavailableError(
                f"{path} cannot be read: {error.strerror or error}; check the permissions of the home folder"
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise NotFoundError(f"the file {path} is damaged; put it back from a backup of the home folder")
        return data


__all__ = ["KeptFiles"]
