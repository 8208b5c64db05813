"""What imaging needs of the place where derived files lie. `structloop.store.DerivedFiles` is it."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class DerivedFolder(Protocol):
    """Files that are addressed by the digest of their source and how they were made from it."""

    def address(self, kind: str, source_sha256: str, **parameters: str | float | bool) -> str:
        """The address of what `kind` with `parameters` makes of a source."""
        ...

    def path(self, kind: str, address: str, suffix: str) -> Path:
        """Where the file of that address lies, whether it exists or not."""
        ...

    def get_or_make(
        self,
        kind: str,
        source_sha256: str,
        suffix: str,
        make: Callable[[Path], None],
        **parameters: str | float | bool,
    ) -> Path:
        """The file's path; `make(temporary_path)` writes it where it does not exist yet."""
        ...


__all__ = ["DerivedFolder"]
