"""The Hugging Face hub: asked only when the user asked, at a pinned revision, for safetensors and JSON only."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from structloop.core.errors import DownloadRefusedError, ModelFormatError, ModelNotFoundError

_REPOSITORY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_WANTED = ("*.safetensors", "*.json", "README.md", "LICENSE*", "NOTICE*")


@dataclass(frozen=True)
class Snapshot:
    """Files of a hub repository at one revision, on this machine.

    Attributes:
        folder: where they lie (the hub's own cache).
        repository: `owner/name`.
        revision: commit hash.
    """

    folder: Path
    repository: str
    revision: str

    @property
    def origin(self) -> str:
        """For a card: address and revision."""
        return f"https://huggingface.co/{self.repository} at {self.revision}"


def is_repository_id(text: str) -> bool:
    """Whether `text` has the form of a hub id (`owner/name`) and is no existing path."""
    return _REPOSITORY_ID.fullmatch(text) is not None and ".." not in text and not Path(text).exists()


def cached(repository: str, revision: str | None = None, *, remedy: str | None = None) -> Snapshot:
    """The snapshot of `repository` that the hub's cache on this machine holds.

    Args:
        repository: `owner/name`.
        revision: Branch, tag or commit; None for what was fetched last.
        remedy: What the error tells the user to do, where `models pull` does not take in such a repository.

    Raises:
        DownloadRefusedError: it holds none; the message says how to get it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, revision=revision, local_files_only=True, allow_patterns=list(_WANTED))
    except LocalEntryNotFoundError as error:
        raise DownloadRefusedError(
            f"'{repository}' is not on this machine, and downloads happen only when asked for: "
            + (remedy or f"run `structloop models pull {repository}` where there is network, or give a local folder")
        ) from error
    return Snapshot(Path(folder), repository, Path(folder).name)


def fetch(repository: str, revision: str | None = None) -> Snapshot:
    """Downloads `repository` (what is not cached of it) at `revision`, or at its newest one.

    Raises:
        DownloadRefusedError: no network, offline mode, or the repository needs rights that this machine does not have.
        ModelNotFoundError: no such repository or revision.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The hub's library has changed its HTTP library more than once; its own error's first base is that library's.
    http_error = cast(type[Exception], HfHubHTTPError.__mro__[1])
    try:
        pinned = HfApi().model_info(repository, revision=revision).sha
        if pinned is None:
            raise ModelFormatError(f"the hub gives no commit for '{repository}'; name one with --revision")
        folder = snapshot_download(repository, revision=pinned, allow_patterns=list(_WANTED))
    except GatedRepoError as error:
        raise DownloadRefusedError(
            f"'{repository}' needs its owner's consent: accept its terms on https://huggingface.co/{repository}, then "
            "log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelNotFoundError(f"the hub has no revision '{revision}' of '{repository}'") from error
    except RepositoryNotFoundError as error:
        raise ModelNotFoundError(
            f"the hub has no model '{repository}', or it is private; check the name, or log in with `hf auth login`"
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HfHubHTTPError, http_error, ConnectionError) as error:
        raise DownloadRefusedError(
            f"the hub cannot be reached for '{repository}' ({type(error).__name__}). On a machine with network run `hf "
            f"download {repository} --local-dir FOLDER`, copy FOLDER here, and run `structloop models import FOLDER`"
        ) from error
    return Snapshot(Path(folder), repository, pinned)


def locate(source: str, *, allow_download: bool, remedy: str | None = None) -> Path:
    """The local folder of `source`, a path or a hub id.

    Args:
        source: A folder, or `owner/name`.
        allow_download: Whether what is not on this machine may be fetched.
        remedy: See `cached`.

    Raises:
        ModelNotFoundError: neither a folder here nor a hub id.
        DownloadRefusedError: a hub id that is not on this machine, and may not be fetched or cannot be.
    """
    if Path(source).is_dir():
        return Path(source)
    if is_repository_id(source):
        snapshot = fetch(source) if allow_download else cached(source, remedy=remedy)
        return snapshot.folder
    raise ModelNotFoundError(f"'{source}' is neither a folder here nor the id of a hub repository (owner/name)")


@contextmanager
def without_links(folder: Path) -> Iterator[Path]:
    """A copy of `folder` for as long as it is needed: the hub's cache holds links, a model holds plain files."""
    with tempfile.TemporaryDirectory(prefix="structloop-pull-") as scratch:
        plain = Path(scratch) / "snapshot"
        shutil.copytree(folder, plain, symlinks=False)
        yield plain


__all__ = ["Snapshot", "cached", "fetch", "is_repository_id", "locate", "without_links"]
