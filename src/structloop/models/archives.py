"""Models as archives: safe extraction of .zip and .tar, and writing them.

Extraction trusts nothing: only plain files with plain relative paths are taken, only kinds that belong in a model, and
never more bytes than `MAXIMUM_BYTES` in all.
"""

import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from structloop.core.errors import ModelExistsError, ModelFormatError, ModelNotFoundError
from structloop.models.model_folders import CARD_FILE, check_file_name

MAXIMUM_BYTES = 8 * 1024**3
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
# What is read of a .zip: the methods that everybody writes, and no encryption (bit 0 of a member's flags).
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What the standard library raises for archives that are damaged, or of a kind that it does not know.
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    FileExistsError,
    NotImplementedError,
)


def is_archive(path: Path) -> bool:
    """Whether the name says .zip, .tar, .tar.gz or .tgz."""
    return path.name.lower().endswith((".zip", *_TAR_ENDINGS))


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """The folder of model files that `source` is, or holds: an archive is extracted to a scratch folder meanwhile.

    Raises:
        ModelNotFoundError: nothing is there.
        ModelFormatError: a file that is no archive, or an archive with an unsafe or foreign member.
    """
    if source.is_dir():
        yield source
    elif not source.exists():
        raise ModelNotFoundError(f"no such file or folder: {source}")
    elif not is_archive(source):
        raise ModelFormatError(f"{source} is neither a folder nor a .zip, .tar, .tar.gz or .tgz archive")
    else:
        with tempfile.TemporaryDirectory(prefix="structloop-model-") as scratch:
            folder = Path(scratch)
            _extract(source, folder)
            yield _content_folder(folder)


def pack(folder: Path, target: Path, name: str) -> None:
    """Writes the files of `folder` to the new archive `target`, below a folder called `name`.

    The archive appears under its name only when complete.

    Raises:
        ModelExistsError: `target` exists.
        ModelFormatError: its ending is not that of an archive.
    """
    if target.exists():
        raise ModelExistsError(f"{target} exists; choose another name or remove it")
    if not is_archive(target):
        raise ModelFormatError(f"{target}: the ending must be .zip, .tar, .tar.gz or .tgz")
    target.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(prefix=".structloop-export-", dir=target.parent) as scratch:
        made = Path(scratch) / "archive"
        if target.name.lower().endswith(".zip"):
            # Weights do not compress; stored members are written as fast as the disk takes them.
            with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
                for path in files:
                    archive.write(path, f"{name}/{path.relative_to(folder).as_posix()}")
        else:
            with tarfile.open(made, "w" if target.name.lower().endswith(".tar") else "w:gz") as archive_tar:
                for path in files:
                    archive_tar.add(path, f"{name}/{path.relative_to(folder).as_posix()}", recursive=False)
        made.rename(target)


def _extract(source: Path, folder: Path) -> None:
    left = MAXIMUM_BYTES
    try:
        for name, size, stream in _members(source):
            pure = PurePosixPath(name)
            if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or not pure.parts:
                raise ModelFormatError(f"{source}: member '{name}' would leave the folder it is extracted to; refused")
            check_file_name(name, str(source))
            left -= size
            if left < 0:
                raise ModelFormatError(f"{source} holds more than {MAXIMUM_BYTES} bytes; refused")
            path = folder / pure
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as sink:
                _copy_exactly(stream, sink, size, f"{source}: member '{name}'")
    except _UNREADABLE as error:
        raise ModelFormatError(f"{source} is not a readable archive: {error}") from error


def _members(source: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    if source.name.lower().endswith(".zip"):
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                # The upper half of external_attr holds the Unix mode; links have 0o120000 there.
                if (info.external_attr >> 16) & 0o170000 == 0o120000:
                    raise ModelFormatError(f"{source}: member '{info.filename}' is a link; refused")
                if info.flag_bits & _ENCRYPTED:
                    raise ModelFormatError(
                        f"{source}: member '{info.filename}' is encrypted; unpack the archive yourself and import the "
                        "folder"
                    )
                if info.compress_type not in _COMPRESSIONS:
                    raise ModelFormatError(
                        f"{source}: member '{info.filename}' is compressed by method {info.compress_type}, which is "
                        "not known here; pack the archive again with 'stored' or 'deflate'"
                    )
                if not info.is_dir():
                    with archive.open(info) as stream:
                        yield info.filename, info.file_size, stream
        return
    with tarfile.open(source, "r:*") as archive_tar:
        for member in archive_tar:
            if member.isdir():
                continue
            opened_member = archive_tar.extractfile(member) if member.isfile() else None
            if opened_member is None:
                raise ModelFormatError(f"{source}: member '{member.name}' is not a plain file; refused")
            with opened_member as stream:
                yield member.name, member.size, stream


def _copy_exactly(stream: IO[bytes], sink: IO[bytes], size: int, where: str) -> None:
    # The size that was counted is the size that is written, whatever the member really holds.
    remaining = size
    while remaining > 0:
        piece = stream.read(min(remaining, 1 << 20))
        if not piece:
            raise ModelFormatError(f"{where} ends too early")
        sink.write(piece)
        remaining -= len(piece)


def _content_folder(folder: Path) -> Path:
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not (folder / CARD_FILE).exists():
        return entries[0]
    return folder


def copy_plain(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copies the named files (relative POSIX paths) from one folder to another."""
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, path)


__all__ = ["MAXIMUM_BYTES", "copy_plain", "is_archive", "opened", "pack"]
