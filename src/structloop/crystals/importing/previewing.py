"""What an import would do, without doing it: nothing is written, and images are not opened."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from structloop.core.settings import Settings
from structloop.crystals.importing.checking import what_is_unfit
from structloop.crystals.importing.reading import Source
from structloop.crystals.importing.scanning import natural
from structloop.crystals.plates import grown_format
from structloop.schema.crystals import DropImage, FileProblem, PlateFormat
from structloop.schema.images import Modality
from structloop.store import Database
from structloop.store.tables import Inspection, Plate


@dataclass(frozen=True)
class PreviewInspection:
    """An inspection that an import would make or add to.

    Attributes:
        number: Its number.
        key: The imager's own identifier, where it has one.
        taken_at: When its first image was taken, where known.
        modalities: Images by modality.
        cells: Images by (row, column, drop), rows and columns from 0.
    """

    number: int
    key: str
    taken_at: datetime | None
    modalities: Counter[Modality]
    cells: Counter[tuple[int, int, int]]


@dataclass(frozen=True)
class PreviewPlate:
    """A plate that an import would make or add to; its format is the one it would then have."""

    barcode: str
    is_new: bool
    format: PlateFormat
    inspections: tuple[PreviewInspection, ...]

    @property
    def image_count(self) -> int:
        """Images that the import would look at."""
        return sum(inspection.cells.total() for inspection in self.inspections)


@dataclass(frozen=True)
class ImportPreview:
    """What an import would do.

    Attributes:
        root: The folder.
        layout, why: The layout, and why it was chosen.
        plates: In natural order of their barcodes.
        skipped: Files that would be passed over silently, by reason.
        problems: Files that would be left out, and why, as far as their names and sizes tell.
    """

    root: Path
    layout: str
    why: str
    plates: tuple[PreviewPlate, ...]
    skipped: Counter[str]
    problems: tuple[FileProblem, ...]

    @property
    def image_count(self) -> int:
        """Images that the import would look at."""
        return sum(plate.image_count for plate in self.plates)


def preview_import(
    path: Path, *, layout: str = "auto", settings: Settings, database: Database | None = None
) -> ImportPreview:
    """The plates that importing `path` would make or add to. Nothing is written.

    Args:
        path: A folder, or a manifest.
        layout: Name of a layout, or `auto`.
        settings: As for `import_folder`.
        database: Where known plates are looked up; None: all count as new.

    Raises:
        LayoutError, SettingsError: as `import_folder`.
    """
    problems: list[FileProblem] = []
    source = Source(path, layout, settings, problems.append)
    drafts: dict[str, _Draft] = {}
    for item in source:
        if item.found.size_bytes == 0:
            problems.append(FileProblem(item.found.path, "is empty (0 bytes)"))
            continue
        unfit = what_is_unfit(item.image)
        if unfit is not None:
            problems.append(FileProblem(item.found.path, unfit))
            continue
        drafts.setdefault(item.image.barcode, _Draft()).add(item.image)
    plates = tuple(_plate(barcode, drafts[barcode], database) for barcode in sorted(drafts, key=natural))
    return ImportPreview(
        source.root, source.layout.name, source.choice.why, plates, source.skipped.copy(), tuple(problems)
    )


@dataclass
class _Gathered:
    taken_at: datetime | None = None
    modalities: Counter[Modality] = field(default_factory=Counter)
    cells: Counter[tuple[int, int, int]] = field(default_factory=Counter)


@dataclass
class _Draft:
    """What is gathered of one plate; its images themselves are not kept, as there may be very many."""

    format: PlateFormat | None = None
    inspections: dict[tuple[int | None, str], _Gathered] = field(default_factory=dict)

    def add(self, image: DropImage) -> None:
        self.format = grown_format(self.format, [image])
        gathered = self.inspections.setdefault((image.inspection, image.inspection_key), _Gathered())
        gathered.modalities[image.modality] += 1
        gathered.cells[image.well.row, image.well.column, image.drop] += 1
        if image.taken_at is not None and (gathered.taken_at is None or image.taken_at < gathered.taken_at):
            gathered.taken_at = image.taken_at


def _plate(barcode: str, draft: _Draft, database: Database | None) -> PreviewPlate:
    known_format, known = _known(barcode, database)
    by_key = {key: number for number, key in known if key is not None}
    highest = max((number for number, _ in known), default=0)
    highest = max([highest, *(number for number, _ in draft.inspections if number is not None)])
    inspections = []
    for number, key in sorted(draft.inspections, key=lambda item: (item[0] or 0, natural(item[1]))):
        gathered = draft.inspections[number, key]
        shown = number if number is not None else by_key.get(key)
        if shown is None:
            highest += 1
            shown = highest
        inspections.append(PreviewInspection(shown, key, gathered.taken_at, gathered.modalities, gathered.cells))
    shape = draft.format or PlateFormat()
    if known_format is not None:
        shape = PlateFormat(
            max(shape.rows, known_format.rows),
            max(shape.columns, known_format.columns),
            tuple(sorted({*shape.drops, *known_format.drops})),
        )
    return PreviewPlate(barcode, known_format is None, shape, tuple(sorted(inspections, key=lambda item: item.number)))


def _known(barcode: str, database: Database | None) -> tuple[PlateFormat | None, Sequence[tuple[int, str | None]]]:
    if database is None:
        return None, ()
    with database.reading() as session:
        plate = session.scalars(select(Plate).where(Plate.barcode == barcode)).one_or_none()
        if plate is None:
            return None, ()
        rows = session.execute(select(Inspection.number, Inspection.key).where(Inspection.plate_id == plate.id))
        return PlateFormat(plate.rows, plate.columns, tuple(plate.drops)), list(rows)


__all__ = ["ImportPreview", "PreviewInspection", "PreviewPlate", "preview_import"]
