"""Data sets for other programs: folders of images by class, or the layout that Hugging Face calls ImageFolder."""

import csv
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from structloop.core.errors import DatasetError
from structloop.imaging.sources import read_unchanged
from structloop.loop.datasets.manifest import ManifestRow
from structloop.schema.loop import Partition


class ExportLayout(StrEnum):
    """How exported images lie.

    Attributes:
        FOLDERS: `<part>/<label>/<image>`, and one `labels.csv` with everything known of each.
        HUGGING_FACE: `<part>/<label>/<image>` with a `metadata.jsonl` in each part, as `datasets.load_dataset(
            "imagefolder", data_dir=...)` reads it.
    """

    FOLDERS = "folders"
    HUGGING_FACE = "hugging-face"


COLUMNS = (
    "file_name",
    "label",
    "detail",
    "key",
    "partition",
    "project",
    "group",
    "modality",
    "imager",
    "kind",
    "source",
    "sha256",
)
"""What an export tells of each image; imports read these names again."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        folder: Where.
        images: How many images.
        size_bytes: How much.
    """

    folder: Path
    images: int
    size_bytes: int


def export_rows(
    rows: Sequence[ManifestRow],
    folder: Path,
    layout: ExportLayout = ExportLayout.FOLDERS,
    *,
    title: str = "data set",
    on_progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Copies the images of a data set into a new folder. It appears when all is written; nothing is left on failure.

    Args:
        rows: The images.
        folder: Where; must not exist, or be empty.
        layout: How they lie.
        title: What the data set is called in its README.
        on_progress: Called with the number of images copied, and of all.

    Raises:
        DatasetError: the folder is there and not empty, or cannot be written.
        ImageError: a source image is missing, or no longer what it was.
    """
    target = folder.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DatasetError(f"{target} is there already, and not empty; name a new folder")
    size = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as made:
            place = Path(made) / target.name
            place.mkdir()
            told: list[dict[str, Any]] = []
            for done, row in enumerate(rows):
                if on_progress is not None:
                    on_progress(done, len(rows))
                # Read and compared before it is copied: what is exported is what was labelled.
                data = read_unchanged(Path(row.path), row.sha256)
                name = _file_name(row)
                file = place / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                size += len(data)
                told.append(_facts(row, name))
            _write_facts(place, told, layout)
            (place / "README.md").write_text(_readme(rows, title, layout), encoding="utf-8")
            if target.exists():
                target.rmdir()
            shutil.move(place, target)
    except OSError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{target} cannot be written: {error.strerror or error}; free some space or name another folder"
        ) from error
    return ExportReport(target, len(rows), size)


def _file_name(row: ManifestRow) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", row.key).strip("._") or "image"
    # Keys that differ only in what file names cannot hold stay apart by the digest of the key.
    mark = hashlib.sha256(row.key.encode()).hexdigest()[:8]
    ending = Path(row.path).suffix.lower() or ".img"
    return f"{row.partition.value}/{row.label}/{stem[:120]}-{mark}{ending}"


def _facts(row: ManifestRow, name: str) -> dict[str, Any]:
    return {
        "file_name": name,
        "label": row.label,
        "detail": row.detail,
        "key": row.key,
        "partition": row.partition.value,
        "project": row.project,
        "group": row.group,
        "modality": row.modality.value,
        "imager": row.imager,
        "kind": row.kind,
        "source": row.source.value,
        "sha256": row.sha256,
    }


def _write_facts(place: Path, told: Sequence[dict[str, Any]], layout: ExportLayout) -> None:
    if layout is ExportLayout.FOLDERS:
        with (place / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(told)
        return
    for partition in Partition:
        here = [facts for facts in told if facts["partition"] == partition.value]
        if here:
            lines = [
                json.dumps({**facts, "file_name": facts["file_name"].partition("/")[2]}, ensure_ascii=False)
                for facts in here
            ]
            (place / partition.value / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _readme(rows: Sequence[ManifestRow], title: str, layout: ExportLayout) -> str:
    labels = sorted({row.label for row in rows})
    lines = [f"# {title}", "", f"{len(rows)} images; labels: {', '.join(labels)}.", "", "| part | images | groups |"]
    lines.append("|---|---|---|")
    for partition in Partition:
        here = [row for row in rows if row.partition is partition]
        lines.append(f"| {partition.value} | {len(here)} | {len({(row.project, row.group) for row in here})} |")
    lines += [
        "",
        "No group (a plate, or all plates of a project) is in two parts. Images are as their imager wrote them.",
    ]
    if layout is ExportLayout.HUGGING_FACE:
        lines = ["---", "task_categories:", "- image-classification", "---", "", *lines]
    return "\n".join(lines) + "\n"


__all__ = ["COLUMNS", "ExportLayout", "ExportReport", "export_rows"]
