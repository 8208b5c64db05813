"""A model on disk: one folder with ``card.json``, safetensors, and small text files; nothing that unpickles."""

import errno
import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from structloop.core.errors import ModelError, ModelFormatError, ModelNotFoundError
from structloop.schema.models import ModelCard, ModelFile, PickerCard, any_card, is_model_name

CARD_FILE = "card.json"
FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What an operating system says where no space is left."""
_ALLOWED_SUFFIXES = frozenset({".safetensors", ".json", ".md", ".txt"})
_ALLOWED_NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE"})
_UNPICKLED_SUFFIXES = frozenset({".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})


def check_file_name(path: str, where: str) -> None:
    """Refuses a file that does not belong into a model's folder.

    Raises:
        ModelFormatError: with the file, and what to do where the file would have to be unpickled.
    """
    name = path.rsplit("/", 1)[-1]
    suffix = Path(name).suffix.lower()
    if suffix in _UNPICKLED_SUFFIXES:
        raise ModelFormatError(
            f"{where}: '{path}' is a pickle-based format, which can run code when it is loaded; "
            "save the weights as .safetensors and import again"
        )
    if suffix not in _ALLOWED_SUFFIXES and name not in _ALLOWED_NAMES:
        allowed = ", ".join(sorted(_ALLOWED_SUFFIXES))
        raise ModelFormatError(f"{where}: '{path}' does not belong in a model ({allowed} do)")


def list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below `folder` but its card, sorted.

    Raises:
        ModelFormatError: a link, or a file that does not belong in a model.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ModelFormatError(f"{folder}: '{relative}' is a link; a model holds plain files only")
        if path.is_file() and relative != CARD_FILE:
            check_file_name(relative, str(folder))
            found.append(relative)
    return found


def describe_files(folder: Path) -> tuple[ModelFile, ...]:
    """Path, size and SHA-256 of every file below `folder` but its card."""
    return tuple(
        ModelFile(path=name, size_bytes=(folder / name).stat().st_size, sha256=sha256_of(folder / name))
        for name in list_files(folder)
    )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's contents."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_card(folder: Path) -> ModelCard | PickerCard:
    """The card (of a classifier or a picker) in `folder`; the weights are not looked at.

    Raises:
        ModelNotFoundError: there is none.
        ModelFormatError: it is not valid; the message names file and field.
    """
    path = folder / CARD_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelNotFoundError(f"{folder} holds no {CARD_FILE}, so it is no structloop model") from error
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{path} is not UTF-8 text") from error
    try:
        return any_card.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        # The union's tag comes first in the place of an error; it is no field.
        place = [str(part) for part in first["loc"]]
        field = ".".join(place[1:] if first["type"] != "union_tag_invalid" else ["task"]) or "the card"
        raise ModelFormatError(f"{path}: {field}: {first['msg']}") from error


def write_card(card: ModelCard | PickerCard, folder: Path) -> None:
    """Writes `card` into `folder`."""
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")


def verify_files(card: ModelCard | PickerCard, folder: Path) -> None:
    """Compares every file of `folder` with the card.

    Raises:
        ModelFormatError: a file is missing, changed, or not on the card; the message names it.
    """
    on_disk = set(list_files(folder))
    remedy = f"import or pull '{card.name}' again"
    for file in card.files:
        path = folder / file.path
        if file.path not in on_disk:
            raise ModelFormatError(f"model '{card.name}': {path} is missing; {remedy}")
        if path.stat().st_size != file.size_bytes or sha256_of(path) != file.sha256:
            raise ModelFormatError(
                f"model '{card.name}': {path} is damaged or was changed (its SHA-256 is not the card's); {remedy}"
            )
        on_disk.discard(file.path)
    if on_disk:
        raise ModelFormatError(f"model '{card.name}': {folder / min(on_disk)} is not on its card; remove it")


def drop_repository_pages(folder: Path, card: ModelCard | PickerCard) -> None:
    """Removes what a hub repository has beside a model: pages such as README and licence.

    Weights that are not on the card stay, and fail when the files are compared with it.
    """
    listed = {file.path for file in card.files}
    for path in folder.iterdir():
        if path.name not in listed and (path.suffix == ".md" or not path.suffix):
            path.unlink()


def model_names_in(root: Path) -> set[str]:
    """Names of the models below `root`, which may be missing; their files are not looked at."""
    if not root.is_dir():
        return set()
    return {entry.name for entry in os.scandir(root) if is_model_name(entry.name) and entry.is_dir()}


def is_model_there(folder: Path, card: ModelCard | PickerCard) -> bool:
    """Whether the very model of `card` lies in `folder`, by its version."""
    try:
        return read_card(folder).version == card.version
    except ModelError:
        return False


__all__ = [
    "CARD_FILE",
    "FULL_DISK",
    "check_file_name",
    "describe_files",
    "drop_repository_pages",
    "is_model_there",
    "list_files",
    "model_names_in",
    "read_card",
    "sha256_of",
    "verify_files",
    "write_card",
]
