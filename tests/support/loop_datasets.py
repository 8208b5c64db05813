"""Data sets of drops on simulated plates for tests of training and promotion: images on disk, versions in the store."""

import hashlib
from pathlib import Path

from structloop.loop.datasets.manifest import ManifestRow, write_manifest
from structloop.loop.datasets.versions import DatasetInfo, get_dataset
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition
from structloop.store import Database, KeptFiles
from structloop.store.tables import DatasetVersion
from support.labelled_items import labelled_items

TASK = "crystals/visible"
_PARTS = {Partition.TRAIN: 4, Partition.VALIDATION: 2, Partition.TEST: 4}


def store_dataset(
    database: Database, kept: KeptFiles, folder: Path, *, number: int = 1, per_plate: int = 15, task: str = TASK
) -> DatasetInfo:
    """A version with four plates to learn from, two to choose on and four to be judged by; a third are crystals."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    start = 10_000 * number
    for part, plates in _PARTS.items():
        names = [f"{part.value}-{index}" for index in range(plates)]
        for item in labelled_items(per_plate * plates, names, start=start):
            path = folder / f"{item.key}.png"
            item.load().save(path)
            rows.append(
                ManifestRow(
                    key=item.key,
                    partition=part,
                    label=item.label,
                    detail="needles" if item.label == "crystal" else "",
                    source=LabelSource.CURATED,
                    project="",
                    group=item.group,
                    path=str(path),
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                    modality=Modality.VISIBLE,
                )
            )
        start += 1000
    manifest = write_manifest(rows, kept)
    with database.session() as session:
        row = DatasetVersion(
            task=task, number=number, manifest_sha256=manifest, counts={}, settings={}, made_by="ada", why="a test"
        )
        session.add(row)
        session.flush()
        dataset_id = row.id
    return get_dataset(database, dataset_id)


__all__ = ["TASK", "store_dataset"]
