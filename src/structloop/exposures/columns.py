"""A session's exposures as columns: everything that plots and tables show of thousands of them, in one small answer."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from structloop.core.errors import JudgingError
from structloop.exposures.judging import THINNEST, astigmatism_of, defocus_of, resolution_of
from structloop.exposures.sessions import get_session
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

_OVERLAP = timedelta(seconds=90)
"""Rows may be committed a little after their time, so a little is sent twice."""

_KEPT = (
    *("total_motion_angstrom", "early_motion_angstrom", "late_motion_angstrom", "ctf_confidence", "tilt_deg"),
    *("ice_nm", "ice_relative", "particles", "particles_per_um2", "particle_overlap", "empty_fraction"),
    *(
        "intensity",
        "poor_condition",
        "dose_e_per_angstrom2",
        "phase_shift_deg",
        "problematic",
        "seconds",
        "condition_probability",
    ),
)


_DERIVED: dict[str, Callable[[Any], float | None]] = {
    "defocus_um": defocus_of,
    "astigmatism_um": astigmatism_of,
    "ctf_resolution_angstrom": resolution_of,
}
INDICATORS = (*_KEPT, *_DERIVED)
"""What has a column of numbers: NaN where it is not known, infinite where no rings are seen."""

_READ = (
    *("id", "name", "state", "grid", "square", "condition", "film_poses", "crystalline_ice", "taken_at"),
    *("processed_at", "reason", "ice_method", "picture_file", "power_file", "micrograph_file"),
    *("defocus_u_um", "defocus_v_um", "rings_seen", "ctf_resolution_angstrom", *_KEPT),
)

FAILED, FILM, CRYSTALLINE, PICTURE, POWER, LEAST_ICE = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class ExposureColumns:
    """Exposures as columns, in the order in which they were taken.

    Attributes:
        whole: Whether these are all; else those that are new or have changed since.
        cursor: To be given back for what changes from now on.
        total: How many the session has.
        ids, names: Of the exposures.
        numbers: By indicator: little-endian float32 in base64.
        times: Seconds from `origin`, as `numbers`.
        origin: A moment, UTC.
        flags: A byte each, in base64: 1 failed, 2 film poses, 4 crystalline ice, 8 has a picture, 16 has a spectrum,
            32 only a least thickness of the ice is known.
        texts: `grid`, `square` and `condition`: names, and each one's place among them (-1: none) as int32 in base64.
        failures: Why those failed that did, by id.
    """

    whole: bool
    cursor: str
    total: int
    ids: list[int]
    names: list[str]
    numbers: dict[str, str]
    times: str
    origin: datetime
    flags: str
    texts: dict[str, tuple[list[str], str]]
    failures: dict[int, str]


def exposure_columns(database: Database, session_id: int, since: str | None = None) -> ExposureColumns:
    """All exposures of a session, or those that changed since a cursor was given.

    Raises:
        NotFoundError: there is no such session.
        JudgingError: `since` is no cursor of ours.
    """
    table = ProcessedExposure
    with database.snapshot() as session:
        owner = get_session(session, session_id)
        limits = _digest(owner)
        moment = _moment(since, limits)
        query = select(*(getattr(table, name) for name in _READ)).where(table.session_id == session_id)
        if moment is not None:
            query = query.where(table.processed_at >= moment - _OVERLAP)
        rows = session.execute(query).all()
        total = len(rows) if moment is None else _count(session, session_id)
    last = max((row.processed_at for row in rows), default=moment or datetime.fromtimestamp(0, UTC))
    rows = sorted(rows, key=lambda row: ((row.taken_at or row.processed_at), row.id))
    origin = owner.created_at
    return ExposureColumns(
        whole=moment is None,
        cursor=f"{limits}.{last.isoformat()}",
        total=total,
        ids=[row.id for row in rows],
        names=[row.name for row in rows],
        numbers={name: _floats([_value(row, name) for row in rows]) for name in INDICATORS},
        times=_floats([((row.taken_at or row.processed_at) - origin).total_seconds() for row in rows]),
        origin=origin,
        flags=base64.b64encode(bytes(_flags(row) for row in rows)).decode(),
        texts={name: _indexed(values) for name, values in _texts(rows).items()},
        failures={row.id: row.reason or "no reason is known" for row in rows if row.state == "failed"},
    )


def _count(session: Session, session_id: int) -> int:
    query = select(func.count()).where(ProcessedExposure.session_id == session_id)
    return int(session.scalar(query) or 0)


def _digest(owner: ProcessingSession) -> str:
    return hashlib.sha256(json.dumps(owner.limits, sort_keys=True).encode()).hexdigest()[:8]


def _moment(since: str | None, limits: str) -> datetime | None:
    """None where everything is to be sent: at first, and after other limits were set."""
    if since is None:
        return None
    given, _, text = since.partition(".")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise JudgingError(f"'{since[:60]}' is no cursor; give the one of the last answer, or none")
    return moment if given == limits else None


def _value(row: Any, name: str) -> float | None:
    derive = _DERIVED.get(name)
    value: float | None = derive(row) if derive else getattr(row, name)
    return value


def _floats(values: Sequence[float | None]) -> str:
    table = np.array([np.nan if each is None else each for each in values], "<f4")
    return base64.b64encode(table.tobytes()).decode()


def _flags(row: Any) -> int:
    said = (
        (FAILED, row.state == "failed"),
        (FILM, row.film_poses),
        (CRYSTALLINE, row.crystalline_ice),
        (PICTURE, row.picture_file or row.micrograph_file),
        (POWER, row.power_file),
        (LEAST_ICE, row.ice_method is not None and THINNEST in row.ice_method),
    )
    return sum(bit for bit, holds in said if holds)


def _texts(rows: Sequence[Row[Any]]) -> dict[str, list[str | None]]:
    return {
        "grid": [row.grid for row in rows],
        "square": [row.square for row in rows],
        "condition": [row.condition for row in rows],
    }


def _indexed(values: Sequence[str | None]) -> tuple[list[str], str]:
    names = sorted({each for each in values if each is not None})
    place = {name: number for number, name in enumerate(names)}
    table = np.array([-1 if each is None else place[each] for each in values], "<i4")
    return names, base64.b64encode(table.tobytes()).decode()


__all__ = ["INDICATORS", "ExposureColumns", "exposure_columns"]
