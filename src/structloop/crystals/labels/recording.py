"""Labels from elsewhere become annotations: matched to known drops, added once, and what fits nothing is told."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from structloop.core.errors import LabelsError
from structloop.crystals.annotations import TASK
from structloop.crystals.labels.claims import BadLine, LabelClaim
from structloop.crystals.labels.reading import OnProgress, read_claims
from structloop.crystals.schemes import SCHEMES
from structloop.loop.annotations import LabelScheme
from structloop.store import Database
from structloop.store.tables import Annotation, Drop, DropImageFile, Inspection, Plate
from structloop.store.tables.base import utc_now

_FEW = 500


@dataclass(frozen=True, slots=True)
class UnmatchedLabel:
    """A label that was left out, where it stands, and why."""

    where: str
    label: str
    reason: str


@dataclass(slots=True)
class LabelImportReport:
    """What an import of labels did: every line is in exactly one of the counts.

    Attributes:
        scheme: The schemes of the labels that were matched, with how many each has.
        added: Labels that became annotations.
        already: Labels that were there already, withdrawn ones included.
        left_out: All others, each with the reason.
    """

    scheme: Counter[str] = field(default_factory=Counter)
    added: int = 0
    already: int = 0
    left_out: list[UnmatchedLabel] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "added": self.added,
            "already": self.already,
            "schemes": dict(self.scheme),
            "left_out": [{"where": each.where, "label": each.label, "reason": each.reason} for each in self.left_out],
        }


class _Place(NamedTuple):
    plate_id: int
    drop_id: int
    inspection_id: int


def import_labels(
    database: Database,
    path: Path,
    *,
    annotator: str,
    scheme: str | None = None,
    latest: bool = False,
    score_visible: bool = False,
    on_progress: OnProgress | None = None,
) -> LabelImportReport:
    """Adds the labels of a file or folder as annotations. Doing it again adds nothing.

    Args:
        database: Where the plates are.
        path: A CSV file, a folder with RockMaker's `report.csv`, or a folder of labelled images.
        annotator: Who gave the labels that name nobody.
        scheme: The scheme of labels that name none; None: the first scheme that knows all of them.
        latest: Whether labels that name no inspection are of the plate's latest one; else they are left out where the
            plate has several.
        score_visible: Whether the model's score was shown, of labels that do not say.
        on_progress: Called with what is done, and of how much.

    Raises:
        LabelsError: the file cannot be read or lacks a column, no scheme knows its labels, or nobody gave them.
        DatasetError: a folder holds no labelled images.
    """
    who = " ".join(annotator.split())[:200]
    if not who:
        raise LabelsError("the labels of nobody cannot be added; name the annotator")
    report = LabelImportReport()
    claims: list[LabelClaim] = []
    for claim in read_claims(path, on_progress):
        if isinstance(claim, BadLine):
            report.left_out.append(UnmatchedLabel(claim.where, "", claim.reason))
        else:
            claims.append(claim)
    default = _default_scheme(claims, scheme, path)
    known: list[tuple[LabelClaim, LabelScheme, str]] = []
    for claim in claims:
        used = _scheme_named(claim.scheme) if claim.scheme else default
        label = None if used is None else used.find(claim.text)
        if used is None or label is None:
            what = f"there is no scheme '{claim.scheme}'" if used is None else f"no label of the scheme {used.name}"
            report.left_out.append(UnmatchedLabel(claim.where, claim.text, what))
        else:
            known.append((claim, used, label))
    for start in range(0, len(known), _FEW):
        piece = known[start : start + _FEW]
        with database.session() as session:
            _record(session, piece, report, annotator=who, latest=latest, score_visible=score_visible)
    return report


def _default_scheme(claims: Sequence[LabelClaim], name: str | None, path: Path) -> LabelScheme | None:
    if name is not None:
        return SCHEMES.get(name)
    texts = {claim.text for claim in claims if not claim.scheme}
    found = SCHEMES.recognise(texts)
    if texts and found is None:
        raise LabelsError(
            f"no label scheme knows all labels of {path} ({', '.join(sorted(texts)[:12])}); name the scheme, one of "
            f"{', '.join(SCHEMES.names())}: labels that it does not know are then left out and listed"
        )
    return found


def _scheme_named(name: str) -> LabelScheme | None:
    return SCHEMES.get(name) if name in SCHEMES.names() else None


def _record(
    session: Session,
    known: Sequence[tuple[LabelClaim, LabelScheme, str]],
    report: LabelImportReport,
    *,
    annotator: str,
    latest: bool,
    score_visible: bool,
) -> None:
    finder = _Finder(session, [claim for claim, _, _ in known], latest=latest)
    found: list[tuple[LabelClaim, LabelScheme, str, _Place]] = []
    for claim, scheme, label in known:
        places = finder.places(claim)
        if isinstance(places, str):
            report.left_out.append(UnmatchedLabel(claim.where, claim.text, places))
            continue
        found.append((claim, scheme, label, places))
    there = _there_already(session, {place.drop_id for *_, place in found})
    rows = []
    for claim, scheme, label, place in found:
        who = claim.annotator or annotator
        given: _Given = (place.drop_id, place.inspection_id, scheme.name, label, who)
        moment = claim.given_at or utc_now()
        report.scheme[scheme.name] += 1
        # A label without a date is the one that is there, whenever that was given.
        if moment in there.get(given, ()) or (claim.given_at is None and given in there):
            report.already += 1
            continue
        there[given].add(moment)
        report.added += 1
        rows.append(
            {
                "task": TASK,
                "item_id": place.drop_id,
                "group_id": place.plate_id,
                "occasion_id": place.inspection_id,
                "scheme": scheme.name,
                "label": label,
                "annotator": who,
                "score_visible": score_visible if claim.score_visible is None else claim.score_visible,
                "seconds": claim.seconds,
                "created_at": moment,
            }
        )
    if rows:
        session.execute(insert(Annotation), rows)


_Given = tuple[int, int | None, str, str, str]


def _there_already(session: Session, drops: Collection[int]) -> dict[_Given, set[datetime]]:
    """When each label was given, of labels that drops have or had."""
    rows = session.execute(
        select(
            Annotation.item_id,
            Annotation.occasion_id,
            Annotation.scheme,
            Annotation.label,
            Annotation.annotator,
            Annotation.created_at,
        ).where(Annotation.task == TASK, Annotation.item_id.in_(drops), Annotation.label.is_not(None))
    )
    there: dict[_Given, set[datetime]] = defaultdict(set)
    for item_id, occasion_id, scheme, label, annotator, created_at in rows:
        there[item_id, occasion_id, scheme, str(label), annotator].add(created_at)
    return there


class _Finder:
    """Finds the drops at inspections that claims are about."""

    def __init__(self, session: Session, claims: Sequence[LabelClaim], *, latest: bool) -> None:
        self._latest = latest
        barcodes = {claim.barcode for claim in claims if claim.barcode}
        plates_found = session.execute(select(Plate.barcode, Plate.id).where(Plate.barcode.in_(barcodes)))
        self._plates: dict[str, int] = {row.barcode: row.id for row in plates_found}
        plates = set(self._plates.values())
        self._drops: dict[tuple[int, int, int], dict[int, int]] = defaultdict(dict)
        for drop in session.execute(
            select(Drop.id, Drop.plate_id, Drop.row, Drop.column, Drop.number).where(Drop.plate_id.in_(plates))
        ):
            self._drops[drop.plate_id, drop.row, drop.column][drop.number] = drop.id
        self._inspections: dict[int, list[Inspection]] = defaultdict(list)
        for inspection in session.scalars(
            select(Inspection).where(Inspection.plate_id.in_(plates)).order_by(Inspection.number)
        ):
            self._inspections[inspection.plate_id].append(inspection)
        digests = {claim.sha256 for claim in claims if claim.sha256}
        self._images: dict[str, set[_Place]] = defaultdict(set)
        for row in session.execute(
            select(DropImageFile.sha256, Drop.plate_id, DropImageFile.drop_id, DropImageFile.inspection_id)
            .join(Drop, Drop.id == DropImageFile.drop_id)
            .where(DropImageFile.sha256.in_(digests))
        ):
            self._images[row.sha256].add(_Place(row.plate_id, row.drop_id, row.inspection_id))

    def places(self, claim: LabelClaim) -> _Place | str:
        """The drop and inspection of a claim, or why there is none."""
        if claim.sha256:
            found = self._images.get(claim.sha256, set())
            if len(found) == 1:
                return next(iter(found))
            return "its image shows several drops" if found else "its image is none of those imported"
        plate = self._plates.get(claim.barcode)
        if plate is None:
            return f"there is no plate {claim.barcode}"
        drop = self._drop(plate, claim)
        if isinstance(drop, str):
            return drop
        inspection = self._inspection(plate, claim)
        return inspection if isinstance(inspection, str) else _Place(plate, drop, inspection)

    def _drop(self, plate: int, claim: LabelClaim) -> int | str:
        well = claim.well
        drops = self._drops.get((plate, well.row, well.column), {}) if well is not None else {}
        if claim.drop is not None:
            return drops.get(claim.drop, f"plate {claim.barcode} has no drop {claim.drop} in well {well}")
        if len(drops) == 1:
            return next(iter(drops.values()))
        numbers = ", ".join(map(str, sorted(drops)))
        return f"well {well} has the drops {numbers}; say which" if drops else f"there is no drop in well {well}"

    def _inspection(self, plate: int, claim: LabelClaim) -> int | str:
        there = self._inspections.get(plate, [])
        if claim.inspection is not None:
            found = [each.id for each in there if each.number == claim.inspection]
            return found[0] if found else f"plate {claim.barcode} has no inspection {claim.inspection}"
        if claim.inspection_key:
            found = [each.id for each in there if each.key == claim.inspection_key]
            return found[0] if found else f"plate {claim.barcode} has no inspection '{claim.inspection_key}'"
        if len(there) == 1 or (there and self._latest):
            return there[-1].id
        return f"it names no inspection, and plate {claim.barcode} has {len(there)}"


__all__ = ["LabelImportReport", "UnmatchedLabel", "import_labels"]
