"""Writing what came of exposures to the store: sessions, their standing, and one row per movie.

Rows are judged as they are written, by the limits that the session has at that moment; `rejudge` judges all of them
anew when limits change. Everything here can be repeated without harm.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from structloop.exposures.finding import plain_name
from structloop.exposures.judging import JUDGED_BY, judge_exposure, limits_of, limits_to_json, reasons_to_json
from structloop.exposures.sessions import get_session
from structloop.micrographs.judging import Limits
from structloop.store import Database
from structloop.store.database import upsert
from structloop.store.tables import Exposure, ProcessedExposure, ProcessingSession
from structloop.store.tables.base import utc_now

_AT_ONCE = 200
_LONGEST_REASON = 2000
_LONGEST_NAME = 200


@dataclass(frozen=True)
class ExposureRecord:
    """One movie and what came of it; fields are those of `ProcessedExposure`, which says what they mean.

    How it is judged is not in it: that follows from the session's limits.
    """

    name: str
    movie: str
    fingerprint: str
    state: str
    processed_at: datetime
    reason: str | None = None
    grid: str | None = None
    square: str | None = None
    hole: str | None = None
    stage_x_um: float | None = None
    stage_y_um: float | None = None
    taken_at: datetime | None = None
    seconds: float | None = None
    pixel_size_angstrom: float | None = None
    dose_e_per_angstrom2: float | None = None
    total_motion_angstrom: float | None = None
    early_motion_angstrom: float | None = None
    late_motion_angstrom: float | None = None
    defocus_u_um: float | None = None
    defocus_v_um: float | None = None
    astigmatism_angle_deg: float | None = None
    phase_shift_deg: float | None = None
    rings_seen: bool | None = None
    ctf_resolution_angstrom: float | None = None
    ctf_confidence: float | None = None
    tilt_deg: float | None = None
    film_poses: bool | None = None
    crystalline_ice: bool | None = None
    intensity: float | None = None
    ice_nm: float | None = None
    ice_relative: float | None = None
    ice_method: str | None = None
    particles: int | None = None
    particles_per_um2: float | None = None
    particle_overlap: float | None = None
    empty_fraction: float | None = None
    condition: str | None = None
    condition_probability: float | None = None
    poor_condition: float | None = None
    condition_model: str | None = None
    micrograph_file: str | None = None
    dose_weighted_file: str | None = None
    picture_file: str | None = None
    power_file: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the journal: what is known, times as text."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        for name in ("taken_at", "processed_at"):
            if name in values:
                values[name] = values[name].isoformat()
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From the journal.

        Raises:
            KeyError, TypeError, ValueError: it is no record.
        """
        known = {entry.name for entry in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        for name in ("taken_at", "processed_at"):
            if given.get(name) is not None:
                given[name] = datetime.fromisoformat(given[name])
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session is getting on.

    Attributes:
        waiting: Movies that were found and not yet processed.
        arriving_per_hour, done_per_hour: Lately; None while that is not known.
        behind: That and how it falls behind, in words; None while it keeps up.
        remarks: What people should know of the session as a whole.
    """

    waiting: int = 0
    arriving_per_hour: float | None = None
    done_per_hour: float | None = None
    behind: str | None = None
    remarks: tuple[str, ...] = ()


def open_session(
    database: Database,
    *,
    name: str,
    source: str,
    results: Path,
    settings: dict[str, Any],
    watched: bool,
    limits: Limits | None = None,
    limits_origin: str | None = None,
) -> int:
    """The session of a folder of results: made, or opened again and running from now on; returns its id.

    Args:
        database: Where it stands.
        name: For people; one that another folder's session has gets a number.
        source: The movie, folder or pattern.
        results: Folder of the results; there is one session for each.
        settings: How movies are processed, JSON values.
        watched: Whether more movies are waited for.
        limits: By which its exposures are judged; None leaves what it has (at first: the defaults).
        limits_origin: Who set them.
    """
    folder = str(results.absolute())
    with database.session() as session:
        row = session.scalar(select(ProcessingSession).where(ProcessingSession.results == folder))
        if row is None:
            row = ProcessingSession(name=_free_name(session, name, None), results=folder, source=source, remarks=[])
            session.add(row)
        elif row.name != name:
            row.name = _free_name(session, name, row.id)
        row.source, row.settings, row.watched = source, settings, watched
        row.state, row.heartbeat_at = "running", utc_now()
        if limits is not None:
            row.limits, row.limits_origin = limits_to_json(limits), limits_origin
        session.flush()
        return row.id


def _free_name(session: Session, name: str, own: int | None) -> str:
    taken = {
        each.name
        for each in session.execute(select(ProcessingSession.name, ProcessingSession.id)).all()
        if each.id != own
    }
    name = name[:_LONGEST_NAME]
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: _LONGEST_NAME - 8]} {number}"
    return free


def beat(database: Database, session_id: int, standing: Standing) -> None:
    """Says that the session's process lives, and how it gets on."""
    with database.session() as session:
        session.execute(
            update(ProcessingSession)
            .where(ProcessingSession.id == session_id)
            .values(
                heartbeat_at=utc_now(),
                waiting=standing.waiting,
                arriving_per_hour=standing.arriving_per_hour,
                done_per_hour=standing.done_per_hour,
                behind=standing.behind,
                remarks=list(standing.remarks),
            )
        )


def close_session(database: Database, session_id: int, state: str) -> None:
    """Ends a session: `finished` when all was through, `stopped` when somebody stopped it."""
    with database.session() as session:
        session.execute(
            update(ProcessingSession)
            .where(ProcessingSession.id == session_id)
            .values(state=state, heartbeat_at=utc_now(), arriving_per_hour=None, done_per_hour=None, behind=None)
        )


def record_exposures(database: Database, session_id: int, records: Sequence[ExposureRecord]) -> None:
    """Writes exposures, each judged by the session's limits, in one transaction.

    Raises:
        NotFoundError: there is no such session.
    """
    with database.session() as session:
        owner = get_session(session, session_id)
        limits = limits_of(owner)
        links = _links(session, [each.name for each in records])
        rows = [_row(session_id, each, limits) | {"exposure_id": links.get(each.name)} for each in records]
        if rows:
            key = ["session_id", "name"]
            columns = [name for name in rows[0] if name not in key]
            session.execute(upsert(database, ProcessedExposure, [], key=key, update=columns), rows)


def _links(session: Session, names: Sequence[str]) -> dict[str, int]:
    """The exposures of imported acquisitions that movies are of, by the movies' names, where there is exactly one."""
    keys: dict[str, str] = {}
    for name in names:
        keys[name] = name
        keys.setdefault(plain_name(name), name)
    found: dict[str, set[int]] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        for row in session.execute(select(Exposure.id, Exposure.key).where(Exposure.key.in_(part))).all():
            found.setdefault(keys[row.key], set()).add(row.id)
    return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}


def _row(session_id: int, record: ExposureRecord, limits: Limits) -> dict[str, Any]:
    values = {entry.name: getattr(record, entry.name) for entry in fields(record)}
    if values["reason"] is not None:
        values["reason"] = values["reason"][:_LONGEST_REASON]
    judged = judge_exposure(record, limits)
    return values | {
        "session_id": session_id,
        "problematic": None if judged is None else judged.problematic,
        "reasons": [] if judged is None else reasons_to_json(judged),
    }


def rejudge(database: Database, session_id: int, limits: Limits | None = None, origin: str | None = None) -> int:
    """Judges all exposures of a session anew; returns how many were.

    Args:
        database: Where they stand.
        session_id: Whose.
        limits: The session's from now on; None: those that it has.
        origin: Who set them, or what they were learned from.

    Raises:
        NotFoundError: there is no such session.
        JudgingError: a limit cannot be; nothing is changed then.
    """
    with database.session() as session:
        owner = get_session(session, session_id)
        if limits is not None:
            owner.limits, owner.limits_origin = limits_to_json(limits), origin
        now = limits_of(owner)
        wanted = [getattr(ProcessedExposure, name) for name in ("id", "problematic", "reasons", *JUDGED_BY)]
        rows = session.execute(select(*wanted).where(ProcessedExposure.session_id == session_id)).all()
        changed, count = [], 0
        for row in rows:
            judged = judge_exposure(row, now)
            if judged is None:
                continue
            count += 1
            reasons = reasons_to_json(judged)
            if (row.problematic, row.reasons) != (judged.problematic, reasons):
                changed.append({"id": row.id, "problematic": judged.problematic, "reasons": reasons})
        if changed:
            session.execute(update(ProcessedExposure), changed)
        return count


def update_ice(database: Database, session_id: int, found: dict[str, tuple[float, float | None, str]]) -> None:
    """Writes thickness of ice by a newer reference, and judges those exposures anew.

    Args:
        database: Where they stand.
        session_id: Whose exposures.
        found: (relative, nanometres, method) by name.
    """
    with database.session() as session:
        owner = get_session(session, session_id)
        limits = limits_of(owner)
        wanted = [getattr(ProcessedExposure, name) for name in ("id", "name", "ice_relative", *JUDGED_BY)]
        changed = []
        for row in session.execute(select(*wanted).where(ProcessedExposure.session_id == session_id)).all():
            if row.name not in found:
                continue
            relative, nm, method = found[row.name]
            ice: dict[str, Any] = {"ice_relative": relative, "ice_nm": nm, "ice_method": method}
            if all(getattr(row, name) == value for name, value in ice.items()):
                continue
            judged = judge_exposure(_With(row, ice), limits)
            if judged is not None:
                ice |= {"problematic": judged.problematic, "reasons": reasons_to_json(judged)}
            changed.append({"id": row.id, **ice})
        if changed:
            session.execute(update(ProcessedExposure), changed)


class _With:
    """A row with some values in place of its own."""

    def __init__(self, row: Any, values: dict[str, Any]) -> None:
        self._row, self._values = row, values

    def __getattr__(self, name: str) -> Any:
        return self._values[name] if name in self._values else getattr(self._row, name)


__all__ = [
    "ExposureRecord",
    "Standing",
    "beat",
    "close_session",
    "open_session",
    "record_exposures",
    "rejudge",
    "update_ice",
]
