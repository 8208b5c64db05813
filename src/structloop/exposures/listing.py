"""Sessions of exposures: how far each is, whether its process lives, and whether it keeps up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from structloop.exposures.sessions import PROBLEMATIC_FROM, condition_of, get_session
from structloop.exposures.throughput import WINDOW_S, per_hour
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

SessionState = Literal["running", "finished", "stopped", "killed"]
BEHIND_MINUTES = 5.0


@dataclass(frozen=True, slots=True)
class ListedSession:
    """What a list says of a session.

    Attributes:
        id, name, source, results: What it is, where its movies come from, where its results are.
        state: `killed`: it says that it runs, and nobody has heard of its process for a while.
        watched: Whether more movies are waited for.
        made_up: Whether nothing of it was ever measured.
        waiting: Movies found and not yet processed.
        done, failed, problematic: How many exposures are so.
        squares, grids: How many are named.
        created_at, heartbeat_at, last_at: When it began, its process last spoke, its last exposure was processed.
        arriving_per_hour, done_per_hour: Lately; where the process does not say what it does, what its last half hour
            was; None where that is not known.
        behind: That and how it falls behind, in words; None while it keeps up.
        remarks: What people should know of it as a whole.
        limits_origin: Who set the limits; None for the defaults.
    """

    id: int
    name: str
    source: str
    results: str
    state: SessionState
    watched: bool
    made_up: bool
    waiting: int
    done: int
    failed: int
    problematic: int
    squares: int
    grids: int
    created_at: datetime
    heartbeat_at: datetime | None
    last_at: datetime | None
    arriving_per_hour: float | None
    done_per_hour: float | None
    behind: str | None
    remarks: tuple[str, ...]
    limits_origin: str | None


def list_sessions(database: Database, now: datetime | None = None) -> list[ListedSession]:
    """All sessions, the newest first."""
    now = now or datetime.now(UTC)
    with database.snapshot() as session:
        rows = session.scalars(select(ProcessingSession).order_by(ProcessingSession.id.desc())).all()
        return [_listed(session, row, now) for row in rows]


def listed_session(database: Database, session_id: int, now: datetime | None = None) -> ListedSession:
    """One session.

    Raises:
        NotFoundError: there is none.
    """
    with database.snapshot() as session:
        return _listed(session, get_session(session, session_id), now or datetime.now(UTC))


def _listed(session: Session, row: ProcessingSession, now: datetime) -> ListedSession:
    table = ProcessedExposure
    done = table.state == "done"
    counts = session.execute(
        select(
            func.count(case((done, 1))).label("done"),
            func.count(case((table.state == "failed", 1))).label("failed"),
            func.count(case((done & (table.problematic >= PROBLEMATIC_FROM), 1))).label("problematic"),
            func.count(table.square.distinct()).label("squares"),
            func.count(table.grid.distinct()).label("grids"),
            func.max(table.processed_at).label("last"),
        ).where(table.session_id == row.id)
    ).one()
    state = cast(SessionState, condition_of(row, now))
    rate = row.done_per_hour if row.done_per_hour is not None else _last_rate(session, row.id, counts.last)
    return ListedSession(
        id=row.id,
        name=row.name,
        source=row.source,
        results=row.results,
        state=state,
        watched=row.watched,
        made_up=bool(row.settings.get("made_up", False)),
        waiting=row.waiting,
        done=counts.done,
        failed=counts.failed,
        problematic=counts.problematic,
        squares=counts.squares,
        grids=counts.grids,
        created_at=row.created_at,
        heartbeat_at=row.heartbeat_at,
        last_at=counts.last,
        arriving_per_hour=row.arriving_per_hour,
        done_per_hour=rate,
        behind=row.behind or _behind(row, state, rate),
        remarks=tuple(row.remarks or ()),
        limits_origin=row.limits_origin,
    )


def _behind(row: ProcessingSession, state: SessionState, rate: float | None) -> str | None:
    """A process that died cannot say that it falls behind, but what waits for it says so."""
    if not (row.watched and state in ("running", "killed") and row.waiting and rate):
        return None
    minutes = row.waiting / rate * 60
    if minutes <= BEHIND_MINUTES:
        return None
    return f"{row.waiting} movies wait, which takes {minutes:.0f} min at {rate:.0f} exposures an hour"


def _last_rate(session: Session, session_id: int, last: datetime | None) -> float | None:
    """Exposures an hour over the half hour that ended with the last of them, from when the first of them was begun."""
    if last is None:
        return None
    table, began = ProcessedExposure, last - timedelta(seconds=WINDOW_S)
    lately = (table.session_id == session_id) & (table.processed_at > began)
    first = session.execute(
        select(table.processed_at, table.seconds).where(lately).order_by(table.processed_at).limit(1)
    ).one()
    begun = max(began, first.processed_at - timedelta(seconds=first.seconds or 0.0))
    return per_hour(session.scalar(select(func.count()).where(lately)) or 0, (last - begun).total_seconds())


@dataclass(frozen=True, slots=True)
class SessionsSeen:
    """What sessions were like at one look: by key, all that tells a change."""

    stamps: dict[int, tuple[object, ...]]


def look_at_sessions(database: Database, before: SessionsSeen | None) -> tuple[SessionsSeen, list[int]]:
    """Looks again, and says which sessions differ from `before` (None: this is the first look, none does)."""
    owner, table = ProcessingSession, ProcessedExposure
    newest = select(func.max(table.processed_at)).where(table.session_id == owner.id).correlate(owner).scalar_subquery()
    columns = (owner.id, owner.state, owner.waiting, owner.behind, owner.limits, owner.limits_origin)
    with database.reading() as session:
        rows = session.execute(select(*columns, newest.label("newest"))).all()
    stamps: dict[int, tuple[object, ...]] = {
        row.id: (row.state, row.waiting, row.behind, str(row.limits), row.limits_origin, row.newest) for row in rows
    }
    seen = SessionsSeen(stamps)
    if before is None:
        return seen, []
    changed = {key for key, stamp in stamps.items() if before.stamps.get(key) != stamp}
    return seen, sorted(changed | (before.stamps.keys() - stamps.keys()))


__all__ = [
    "BEHIND_MINUTES",
    "ListedSession",
    "SessionState",
    "SessionsSeen",
    "list_sessions",
    "listed_session",
    "look_at_sessions",
]
