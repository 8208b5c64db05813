"""The manifest of a data set: one row per image, written as Parquet and called by the digest of its bytes."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from structloop.core.errors import DatasetError
from structloop.schema.images import Modality
from structloop.schema.loop import ItemKey, LabelSource, Partition, TaskImage
from structloop.store.kept import KeptFiles

SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """An image of a data set, with its label and what that rests on.

    Attributes:
        key: See `TaskImage.key`.
        partition: The part it is in.
        label: One of the task's labels.
        detail: The kind within the label; empty where not known.
        source: What the label rests on.
        project, group: See `TaskImage`; splits keep together what shares them.
        path: The source image as it was.
        sha256: Of its contents.
        modality: How it was taken.
        imager, kind: What took it, and what of; empty where not known.
        item_id, occasion_id: What was labelled; None for imported images.
        curation_item_id: The item of the queue that was settled, which leads to its curators; None for others.
        annotation_id: The annotation that the model agreed with; None for others.
    """

    key: str
    partition: Partition
    label: str
    detail: str
    source: LabelSource
    project: str
    group: str
    path: str
    sha256: str
    modality: Modality
    imager: str = ""
    kind: str = ""
    item_id: int | None = None
    occasion_id: int | None = None
    curation_item_id: int | None = None
    annotation_id: int | None = None

    def in_partition(self, partition: Partition) -> "ManifestRow":
        """The same row in another part."""
        return replace(self, partition=partition)

    def image(self) -> TaskImage:
        """The image as a review task loads it. Imported images have no item; theirs is (0, 0)."""
        return TaskImage(
            key=self.key,
            item=ItemKey(self.item_id or 0, self.occasion_id or 0),
            project=self.project,
            group=self.group,
            path=Path(self.path),
            sha256=self.sha256,
            modality=self.modality,
            source=self.imager,
            kind=self.kind,
        )


_NAMES = tuple(field.name for field in fields(ManifestRow))
_WHOLE = ("item_id", "occasion_id", "curation_item_id", "annotation_id")


def write_manifest(rows: Iterable[ManifestRow], files: KeptFiles) -> str:
    """Keeps rows, sorted by key, as a Parquet file. The same rows give the same file.

    Returns:
        The file's SHA-256.

    Raises:
        DatasetError: a key is there twice.
        StoreUnavailableError: it cannot be written.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    twice = next((a.key for a, b in pairwise(ordered) if a.key == b.key), None)
    if twice is not None:
        raise DatasetError(f"image {twice} is in the data set twice; each image has one label")
    return files.add(to_parquet(ordered), SUFFIX)


def to_parquet(rows: Sequence[ManifestRow]) -> bytes:
    """Rows as a Parquet file."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [
            pyarrow.field(
                name,
                pyarrow.int64() if name in _WHOLE else pyarrow.string(),
                nullable=name in _WHOLE,
            )
            for name in _NAMES
        ]
    )
    table = pyarrow.Table.from_pylist([_plain(row) for row in rows], schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_manifest(sha256: str, files: KeptFiles) -> list[ManifestRow]:
    """The rows of a manifest, by key.

    Raises:
        NotFoundError: the file is missing or damaged.
        DatasetError: it was written by another structloop.
    """
    return _rows(sha256, files, None)


def find_row(sha256: str, files: KeptFiles, key: str) -> ManifestRow | None:
    """The row of one image; None where the manifest has none of that key. Raises as `read_manifest`."""
    return next(iter(_rows(sha256, files, [("key", "==", key)])), None)


def _rows(sha256: str, files: KeptFiles, filters: list[tuple[str, str, str]] | None) -> list[ManifestRow]:
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(files.read(sha256, SUFFIX)), filters=filters)
    if set(table.column_names) != set(_NAMES):
        different = sorted(set(table.column_names) ^ set(_NAMES))
        raise DatasetError(
            f"manifest {sha256[:12]} differs in its columns ({', '.join(different)}): it was written by another "
            "structloop; use that one"
        )
    return [_row(values) for values in table.to_pylist()]


def _plain(row: ManifestRow) -> dict[str, Any]:
    return {**asdict(row), "partition": row.partition.value, "source": row.source.value, "modality": row.modality.value}


def _row(values: dict[str, Any]) -> ManifestRow:
    return ManifestRow(
        **{
            **values,
            "partition": Partition(values["partition"]),
            "source": LabelSource(values["source"]),
            "modality": Modality(values["modality"]),
        }
    )


def count_rows(rows: Sequence[ManifestRow]) -> dict[str, Any]:
    """Counts of a data set as JSON: images, labels per part, sources, groups per part."""
    by_partition: dict[str, Any] = {}
    for partition in Partition:
        here = [row for row in rows if row.partition is partition]
        by_partition[partition.value] = {
            "images": len(here),
            "labels": dict(sorted(Counter(row.label for row in here).items())),
            "groups": len({(row.project, row.group) for row in here}),
        }
    return {
        "images": len(rows),
        "labels": dict(sorted(Counter(row.label for row in rows).items())),
        "sources": dict(sorted(Counter(row.source.value for row in rows).items())),
        "details": dict(sorted(Counter(row.detail for row in rows if row.detail).items())),
        "partitions": by_partition,
    }


__all__ = ["SUFFIX", "ManifestRow", "count_rows", "find_row", "read_manifest", "to_parquet", "write_manifest"]
