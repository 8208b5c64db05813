"""Labelled images as other programs keep them: folders by class, a CSV of labels, Hugging Face's ImageFolder.

Labels are whatever scheme knows all of them; MARCO's four classes, ISPyB's grades and the two classes of AXIS are told
by their usual names. Images stay where they are.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structloop.core.errors import DatasetError, ImageError
from structloop.imaging import IMAGE_ENDINGS
from structloop.imaging.reading import probe, read_file
from structloop.loop.annotations import LabelScheme, LabelSchemes
from structloop.loop.datasets.manifest import ManifestRow
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition

PARTITION_NAMES: Mapping[str, Partition] = {
    "train": Partition.TRAIN,
    "training": Partition.TRAIN,
    "val": Partition.VALIDATION,
    "valid": Partition.VALIDATION,
    "validation": Partition.VALIDATION,
    "dev": Partition.VALIDATION,
    "test": Partition.TEST,
    "testing": Partition.TEST,
}
_FACTS = ("metadata.csv", "metadata.jsonl", "labels.csv")
_FILE_COLUMNS = ("file_name", "image", "file", "filename", "path")
_LABEL_COLUMNS = ("label", "class", "score", "grade")
_GROUP_COLUMNS = ("group", "plate", "barcode")
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image of a set, before anything was read of it.

    Attributes:
        path: Where it lies.
        name: Its path below the set's folder, with forward slashes.
        label: As the set writes it.
        partition: The part it is in; None where the set has no parts.
        facts: What else the set tells of it, by column.
    """

    path: Path
    name: str
    label: str
    partition: Partition | None
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImportedSet:
    """A set of labelled images, ready to be a data set.

    Attributes:
        rows: Usable images.
        scheme: The scheme of their labels.
        problems: Images that were left out, with the reason: nothing goes missing silently.
        duplicates: Images left out because the same file is there under another name, with the same label.
        has_parts: Whether the set came split.
    """

    rows: tuple[ManifestRow, ...]
    scheme: str
    problems: tuple[tuple[str, str], ...]
    duplicates: int
    has_parts: bool


def find_images(folder: Path) -> list[FoundImage]:
    """The labelled images of a set.

    Read are, below the folder or its parts (`train`, `val`, `test`): `metadata.jsonl`, `metadata.csv` or `labels.csv`
    with the columns `file_name` (or `image`) and `label`; else one folder per label.

    Raises:
        DatasetError: there is no such folder, or nothing labelled in it.
    """
    root = folder.absolute()
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; name the one that holds the images")
    parts = [
        (entry, PARTITION_NAMES[entry.name.lower()])
        for entry in sorted(root.iterdir())
        if entry.is_dir() and entry.name.lower() in PARTITION_NAMES
    ]
    found = list(_below(root, root, None)) if not parts or _facts_file(root) else []
    if not found:
        for entry, partition in parts:
            found += _below(entry, root, partition)
    if not found:
        raise DatasetError(
            f"{root} holds no labelled images; it needs one folder per label, or a {' or '.join(_FACTS)} with the "
            "columns file_name and label"
        )
    return found


def import_images(
    folder: Path,
    schemes: LabelSchemes,
    *,
    name: str,
    modality: Modality,
    scheme: str | None = None,
    on_progress: OnProgress | None = None,
) -> ImportedSet:
    """Reads a set of labelled images.

    Args:
        folder: Where it lies.
        schemes: The label schemes that are known.
        name: What the set is called: the beginning of its images' keys.
        modality: How its images were taken, where the set does not say.
        scheme: The scheme of its labels; None: the first that knows all of them.
        on_progress: Called with the number of images read, and of all.

    Raises:
        DatasetError: there is nothing labelled, no scheme knows the labels, or no image is usable.
        LabelsError: there is no such scheme.
    """
    found = find_images(folder)
    used = schemes.get(scheme) if scheme is not None else schemes.recognise({each.label for each in found})
    if used is None:
        texts = ", ".join(sorted({each.label for each in found})[:12])
        raise DatasetError(
            f"no label scheme knows all labels of {folder} ({texts}); name the scheme, or rename the folders"
        )
    rows: dict[str, ManifestRow] = {}
    problems: list[tuple[str, str]] = []
    duplicates = 0
    for done, image in enumerate(found):
        if on_progress is not None:
            on_progress(done, len(found))
        row = _row(image, used, name, modality)
        if isinstance(row, str):
            problems.append((image.name, row))
            continue
        other = rows.get(row.sha256)
        if other is None:
            rows[row.sha256] = row
        elif other.label == row.label and other.partition is row.partition:
            duplicates += 1
        else:
            problems.append((image.name, f"is the same file as {other.key}, with another label or in another part"))
    if not rows:
        raise DatasetError(f"no image of {folder} is usable; the first, {problems[0][0]}: {problems[0][1]}")
    return ImportedSet(
        tuple(rows.values()),
        used.name,
        tuple(problems),
        duplicates,
        any(each.partition is not None for each in found),
    )


def _row(image: FoundImage, scheme: LabelScheme, name: str, modality: Modality) -> ManifestRow | str:
    """The row of an image, or why it cannot be used."""
    label = scheme.find(image.label)
    if label is None:
        return f"its label '{image.label}' is none of the scheme {scheme.name}"
    meaning = scheme.meaning(label)
    if meaning is None:
        return f"its label '{image.label}' says neither"
    try:
        data = read_file(image.path)
        probe(data, image.path)
    except ImageError as error:
        return str(error)
    told = image.facts.get("modality", "")
    if told and told not in set(Modality):
        return f"its modality '{told}' is none of {', '.join(Modality)}"
    group = next((image.facts[column] for column in _GROUP_COLUMNS if image.facts.get(column)), "")
    partition = image.partition or Partition.TRAIN
    return ManifestRow(
        key=f"{name}/{image.name}",
        partition=partition,
        label=meaning,
        detail=image.facts.get("detail", "") or scheme.details.get(label, ""),
        source=LabelSource.IMPORTED,
        project=image.facts.get("project", ""),
        # Where plates are not told, nothing may be cut but what the set itself has cut.
        group=group or f"{name} {partition.value}",
        path=str(image.path),
        sha256=hashlib.sha256(data).hexdigest(),
        modality=Modality(told) if told else modality,
        imager=image.facts.get("imager", ""),
        kind=image.facts.get("kind", ""),
    )


def _below(folder: Path, root: Path, partition: Partition | None) -> Iterator[FoundImage]:
    facts_file = _facts_file(folder)
    if facts_file is not None:
        yield from _of_facts(facts_file, root, partition)
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith(".") and entry.name.lower() not in PARTITION_NAMES:
            for path in sorted(entry.rglob("*")):
                if path.suffix.lower() in IMAGE_ENDINGS and path.is_file():
                    yield FoundImage(path, path.relative_to(root).as_posix(), entry.name, partition, {})


def _facts_file(folder: Path) -> Path | None:
    return next((folder / name for name in _FACTS if (folder / name).is_file()), None)


def _of_facts(path: Path, root: Path, partition: Partition | None) -> Iterator[FoundImage]:
    for line, facts in _lines(path):
        file = next((facts[column] for column in _FILE_COLUMNS if facts.get(column)), "")
        label = next((facts[column] for column in _LABEL_COLUMNS if facts.get(column)), "")
        if not file or not label:
            raise DatasetError(f"{path}, line {line}: it names no image or no label; add the columns file_name, label")
        image = path.parent / file
        told = facts.get("partition", facts.get("split", "")).lower()
        if told and told not in PARTITION_NAMES:
            raise DatasetError(f"{path}, line {line}: there is no part '{told}'; use train, validation or test")
        try:
            name = image.relative_to(root).as_posix()
        except ValueError:
            name = image.as_posix().lstrip("/")
        yield FoundImage(image, name, label, PARTITION_NAMES.get(told, partition), facts)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if path.suffix == ".jsonl":
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if line.strip():
                    yield number, _of_json(json.loads(line), path, number)
            return
        # Spreadsheets put a byte-order mark before the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            for row in reader:
                yield reader.line_num, {key: (value or "").strip() for key, value in row.items() if key is not None}
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise DatasetError(f"{path} cannot be understood: {error}; it must be {path.suffix[1:]} in UTF-8") from error


def _of_json(value: Any, path: Path, line: int) -> dict[str, str]:
    if not isinstance(value, dict):
        raise DatasetError(f"{path}, line {line}: it is no JSON object; write one per image")
    return {str(key).lower(): "" if item is None else str(item).strip() for key, item in value.items()}


__all__ = ["PARTITION_NAMES", "FoundImage", "ImportedSet", "find_images", "import_images"]
