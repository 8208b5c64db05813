"""Recording checked images: one transaction per batch, harmless to repeat, safe beside other importers."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from structloop.crystals.importing.checking import CheckedImage, modified_at
from structloop.crystals.importing.places import drops_of, inspections_of, plates_of, project_id_of
from structloop.crystals.importing.report import ImportedPlate, ImportReport
from structloop.crystals.importing.scanning import FoundFile
from structloop.crystals.summaries import Experiment, settle_left_places, write_image_counts
from structloop.schema.crystals import DropImage, FileProblem
from structloop.store import Database
from structloop.store.database import upsert
from structloop.store.tables import Drop, DropImageFile, ImportProblem, Inspection, Plate
from structloop.store.tables.base import utc_now

ImageKey = tuple[int, int, str, str, str, str]
LONGEST_REASON = 2000


def unchanged_paths(database: Database, files: Mapping[str, tuple[FoundFile, DropImage]]) -> set[str]:
    """Those of `files` (by path) that are recorded already, with that size, time and meaning: they need no reading."""
    if not files:
        return set()
    statement = (
        select(
            DropImageFile.path,
            DropImageFile.size_bytes,
            DropImageFile.modified_at,
            Inspection.number,
            Inspection.key,
            Plate.barcode,
            Drop.row,
            Drop.column,
            Drop.number,
            DropImageFile.modality,
            DropImageFile.profile,
            DropImageFile.focus,
        )
        .join(Drop, Drop.id == DropImageFile.drop_id)
        .join(Inspection, Inspection.id == DropImageFile.inspection_id)
        .join(Plate, Plate.id == Drop.plate_id)
        .where(DropImageFile.path.in_(files), DropImageFile.superseded_by_id.is_(None))
    )
    same = set()
    with database.reading() as session:
        for path, size_bytes, time, number, key, *meaning in session.execute(statement):
            found, image = files[path]
            occasion = key == image.inspection_key if image.inspection is None else number == image.inspection
            if occasion and (size_bytes, time) == (found.size_bytes, modified_at(found)) and meaning == _meaning(image):
                same.add(path)
    return same


def _meaning(image: DropImage) -> list[str | int]:
    place: list[str | int] = [image.barcode, image.well.row, image.well.column, image.drop]
    return [*place, image.modality.value, image.profile, image.focus.value]


def record(
    database: Database,
    checked: Sequence[CheckedImage],
    problems: Sequence[tuple[FileProblem, str | None]],
    solved: Collection[str],
    *,
    report: ImportReport,
    project: str | None = None,
) -> None:
    """Records a batch in one transaction, and counts what happened in `report`.

    Args:
        checked: Images to record.
        problems: Files left out, with the barcode where it is known.
        solved: Paths whose earlier problems are over, besides those of `checked`.
        report: The import they belong to.
        project: Name of the project that the plates join; None: they stay where they are.

    Raises:
        StoreUnavailableError: the database cannot be written.
    """
    if not (checked or problems or _any_problem(database, solved)):
        return
    with database.session() as session:
        writer = _BatchWriter(database, session, report)
        outcome = writer.images(checked, project)
        done = [*solved, *(str(item.source.path) for item in checked)]
        if done:
            session.execute(delete(ImportProblem).where(ImportProblem.path.in_(done)))
        writer.problems(problems)
    # Only what the transaction kept is counted.
    report.added += outcome.added
    report.replaced += outcome.replaced
    report.unchanged += outcome.unchanged
    report.moved += outcome.moved
    report.duplicates += outcome.duplicates
    for barcode, (plate_id, added) in outcome.plates.items():
        report.plates.setdefault(barcode, ImportedPlate(plate_id, barcode)).added += added


def join_project(database: Database, project: str, barcodes: Collection[str]) -> None:
    """Makes plates members of a project, which is made where needed."""
    with database.session() as session:
        project_id = project_id_of(database, session, project)
        session.execute(update(Plate).where(Plate.barcode.in_(barcodes)).values(project_id=project_id))


def _any_problem(database: Database, paths: Collection[str]) -> bool:
    """Whether any of `paths` is listed as a problem; most imports find nothing to write, and should not."""
    with database.reading() as session:
        statement = select(ImportProblem.id).where(ImportProblem.path.in_(paths)).limit(1)
        return session.scalar(statement) is not None


def forget_old_problems(database: Database, report: ImportReport, started_at: datetime) -> None:
    """After a complete import: problems below its root that it did not meet again are over."""
    with database.session() as session:
        session.execute(
            delete(ImportProblem).where(
                ImportProblem.path.startswith(f"{str(report.root).rstrip('/')}/", autoescape=True),
                ImportProblem.run_id != report.run_id,
                ImportProblem.seen_at < started_at,
            )
        )


@dataclass
class _Outcome:
    """What one batch changed; `plates` maps barcodes to the plate's number and how many images it got."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    moved: int = 0
    duplicates: int = 0
    plates: dict[str, tuple[int, int]] = field(default_factory=dict)


class _BatchWriter:
    """Writes one batch inside one transaction, which begins by locking its plates (`plates_of`)."""

    def __init__(self, database: Database, session: Session, report: ImportReport) -> None:
        self._database = database
        self._session = session
        self._report = report
        self._left: set[Experiment] = set()

    def images(self, checked: Sequence[CheckedImage], project: str | None) -> _Outcome:
        outcome = _Outcome()
        by_plate: defaultdict[str, list[CheckedImage]] = defaultdict(list)
        for item in checked:
            by_plate[item.image.barcode].append(item)
        images = {barcode: [item.image for item in items] for barcode, items in by_plate.items()}
        paths = [str(item.source.path) for item in checked]
        plates = plates_of(
            self._database, self._session, self._report.layout, images, also_lock=self._barcodes_at(paths)
        )
        project_id = project_id_of(self._database, self._session, project) if project is not None and plates else None
        at_path = self._live_rows_at(paths)
        for barcode, plate in plates.items():
            before = outcome.added
            items = by_plate[barcode]
            inspections = inspections_of(self._session, plate, images[barcode])
            drops = drops_of(self._session, plate, images[barcode])
            self._files(items, inspections, drops, at_path, outcome)
            if project_id is not None:
                plate.project_id = project_id
            if outcome.added > before:
                plate.imported_at = utc_now()
            self._session.flush()
            write_image_counts(self._session, plate.id)
            outcome.plates[barcode] = (plate.id, outcome.added - before)
        settle_left_places(self._session, self._left)
        return outcome

    def _barcodes_at(self, paths: Sequence[str]) -> set[str]:
        """The plates that have images at `paths` so far; they may lose them to others."""
        statement = (
            select(Plate.barcode)
            .join(Drop, Drop.plate_id == Plate.id)
            .join(DropImageFile, DropImageFile.drop_id == Drop.id)
            .where(DropImageFile.path.in_(paths), DropImageFile.superseded_by_id.is_(None))
            .distinct()
        )
        return set(self._session.scalars(statement))

    def _live_rows_at(self, paths: Sequence[str]) -> dict[str, DropImageFile]:
        statement = select(DropImageFile).where(DropImageFile.path.in_(paths), DropImageFile.superseded_by_id.is_(None))
        return {row.path: row for row in self._session.scalars(statement)}

    def _files(
        self,
        items: Sequence[CheckedImage],
        inspections: Mapping[int | str, int],
        drops: Mapping[tuple[int, int, int], int],
        at_path: dict[str, DropImageFile],
        outcome: _Outcome,
    ) -> None:
        places = []
        for item in items:
            image = item.image
            inspection = inspections[image.inspection_key if image.inspection is None else image.inspection]
            places.append((drops[image.well.row, image.well.column, image.drop], inspection))
        known = self._known({drop for drop, _ in places}, {inspection for _, inspection in places})
        replaced: list[tuple[DropImageFile, DropImageFile]] = []
        for item, (drop_id, inspection_id) in zip(items, places, strict=True):
            image, source = item.image, item.source
            path = str(source.path)
            key = (drop_id, inspection_id, image.modality.value, image.profile, image.focus.value, source.sha256)
            row = known.get(key)
            earlier = at_path.get(path)
            if row is None:
                row = DropImageFile(
                    drop_id=drop_id,
                    inspection_id=inspection_id,
                    modality=image.modality.value,
                    profile=image.profile,
                    focus=image.focus.value,
                    path=path,
                    size_bytes=source.size_bytes,
                    sha256=source.sha256,
                    modified_at=source.modified_at,
                    width_px=item.width_px,
                    height_px=item.height_px,
                    um_per_pixel=image.um_per_pixel,
                    taken_at=image.taken_at,
                )
                self._session.add(row)
                known[key] = row
                outcome.added += 1
                outcome.replaced += earlier is not None
            elif row.path == path:
                outcome.unchanged += 1
                row.size_bytes, row.modified_at, row.superseded_by_id = source.size_bytes, source.modified_at, None
            elif row.superseded_by_id is None and _is_there(row.path):
                outcome.duplicates += 1
                if earlier is None:
                    continue
            else:
                outcome.moved += 1
                row.path, row.modified_at, row.superseded_by_id = path, source.modified_at, None
            if earlier is not None and earlier is not row:
                replaced.append((earlier, row))
            at_path[path] = row
        self._session.flush()
        for earlier, row in replaced:
            earlier.superseded_by_id = row.id
            if _place(earlier) != _place(row):
                self._left.add((earlier.drop_id, earlier.inspection_id))

    def _known(self, drops: Collection[int], inspections: Collection[int]) -> dict[ImageKey, DropImageFile]:
        statement = select(DropImageFile).where(
            DropImageFile.drop_id.in_(drops), DropImageFile.inspection_id.in_(inspections)
        )
        return {
            (row.drop_id, row.inspection_id, row.modality, row.profile, row.focus, row.sha256): row
            for row in self._session.scalars(statement)
        }

    def problems(self, problems: Sequence[tuple[FileProblem, str | None]]) -> None:
        if not problems:
            return
        # A barcode that cannot be written cannot be asked for either; it may be the very problem.
        barcodes = {barcode for _, barcode in problems if barcode is not None and barcode.isprintable()}
        statement = select(Plate.barcode, Plate.id).where(Plate.barcode.in_(barcodes))
        plates = dict(self._session.execute(statement).all())
        rows = {
            str(problem.path): {
                "run_id": self._report.run_id,
                "plate_id": plates.get(barcode) if barcode is not None else None,
                "path": str(problem.path),
                "reason": problem.reason[:LONGEST_REASON],
                "seen_at": utc_now(),
            }
            for problem, barcode in problems
        }
        self._session.execute(
            upsert(
                self._database,
                ImportProblem,
                list(rows.values()),
                key=["path"],
                update=["run_id", "plate_id", "reason", "seen_at"],
            )
        )


def _place(row: DropImageFile) -> tuple[int, int, str]:
    """What an image stands for when a drop's experiments are scored."""
    return row.drop_id, row.inspection_id, row.modality


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        # A disk that is not mounted just now says nothing about the file: it counts as still there.
        return True


__all__ = ["forget_old_problems", "join_project", "record", "unchanged_paths"]
