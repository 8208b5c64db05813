"""Reading sessions of processed exposures: which there are, how they stand, and what is pooled over their places."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.exposures.judging import limits_of
from structloop.exposures.leaving import LEFT_BY, PROBLEMATIC_FROM, leave_places, patch_of
from structloop.micrographs.judging import Leaving, Pooled, pooled
from structloop.store.tables import ProcessedExposure, ProcessingSession

STALE_AFTER = timedelta(seconds=60)
"""A running session that did not say for so long that it lives was killed."""


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """How many exposures of a session came out how.

    Attributes:
        done, failed: By state.
        fine, problematic: Of those that are done, by `PROBLEMATIC_FROM`.
    """

    done: int = 0
    failed: int = 0
    fine: int = 0
    problematic: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.done + self.failed


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """A reason, and how many exposures it makes problematic.

    Attributes:
        indicator: Name of the field of `Indicators`.
        exposures: How many.
        words: As one of them says it.
    """

    indicator: str
    exposures: int
    words: str


@dataclass(frozen=True, slots=True)
class Place:
    """A grid or square, with what its exposures say together.

    Attributes:
        kind: `grid` or `square`.
        grid, name: Which; None where that is not known.
        pooled: Share of problematic exposures, with its interval.
        leaving: Whether the evidence suffices to leave it, and why.
        reasons: What is most often wrong there.
    """

    kind: str
    grid: str | None
    name: str | None
    pooled: Pooled
    leaving: Leaving
    reasons: tuple[ReasonCount, ...]


def get_session(session: Session, wanted: int | str) -> ProcessingSession:
    """A session by its id, its name, or its folder of results.

    Raises:
        NotFoundError: there is none.
    """
    if isinstance(wanted, int):
        row = session.get(ProcessingSession, wanted)
    else:
        row = session.scalar(select(ProcessingSession).where(ProcessingSession.name == wanted)) or session.scalar(
            select(ProcessingSession).where(ProcessingSession.results == wanted)
        )
        if row is None and wanted.isdecimal() and len(wanted) < 19:
            row = session.get(ProcessingSession, int(wanted))
    if row is None:
        raise NotFoundError(f"there is no session of exposures {wanted!r}; `structloop micrographs show` lists them")
    return row


def condition_of(row: ProcessingSession, now: datetime) -> str:
    """`running`, `finished`, `stopped`; or `killed`: it should run and has not said for long that it does."""
    if row.state == "running" and (row.heartbeat_at is None or now - row.heartbeat_at > STALE_AFTER):
        return "killed"
    return row.state


def counts_of(session: Session, session_ids: Sequence[int]) -> dict[int, SessionCounts]:
    """How many exposures came out how, by session."""
    bad = ProcessedExposure.problematic >= PROBLEMATIC_FROM
    rows = session.execute(
        select(ProcessedExposure.session_id, ProcessedExposure.state, bad, func.count())
        .where(ProcessedExposure.session_id.in_(session_ids))
        .group_by(ProcessedExposure.session_id, ProcessedExposure.state, bad)
    ).all()
    found: dict[int, Counter[str]] = {each: Counter() for each in session_ids}
    for session_id, state, is_bad, count in rows:
        found[session_id][state] += count
        if state == "done":
            found[session_id]["problematic" if is_bad else "fine"] += count
    return {
        each: SessionCounts(counts["done"], counts["failed"], counts["fine"], counts["problematic"])
        for each, counts in found.items()
    }


def commonest_reasons(rows: Sequence[Any], most: int = 5) -> tuple[ReasonCount, ...]:
    """What most often makes exposures problematic.

    Args:
        rows: With `problematic` and `reasons`.
        most: So many at most.
    """
    counts: Counter[str] = Counter()
    words: dict[str, str] = {}
    for row in rows:
        if row.problematic is None or row.problematic < PROBLEMATIC_FROM:
            continue
        for reason in row.reasons:
            counts[reason["indicator"]] += 1
            words.setdefault(reason["indicator"], reason["words"])
    return tuple(ReasonCount(name, count, words[name]) for name, count in counts.most_common(most))


def places_of(session: Session, session_id: int) -> list[Place]:
    """Grids, then squares, with their pooled shares of problematic exposures and whether to leave them.

    A square is drawn towards its grid. Rules go through exposures in the order in which they were taken. Movies that
    could not be processed say nothing of their place.

    Args:
        session: Of the store.
        session_id: Whose exposures.

    Raises:
        NotFoundError: there is no such session.
        JudgingError: its limits cannot be.
    """
    limits = limits_of(get_session(session, session_id))
    columns = ("grid", "square", "taken_at", "processed_at", "name", "reasons", *LEFT_BY)
    rows = session.execute(
        select(*(getattr(ProcessedExposure, name) for name in columns)).where(
            ProcessedExposure.session_id == session_id, ProcessedExposure.problematic.is_not(None)
        )
    ).all()
    grids: dict[str | None, list[Any]] = defaultdict(list)
    squares: dict[tuple[str | None, str], list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.taken_at or row.processed_at, row.name)):
        grids[row.grid].append(row)
        if row.square is not None:
            squares[row.grid, row.square].append(row)
    # On a grid, exposures of one square are alike; in a square, those of one patch.
    of_grids = leave_places(
        list(grids.values()), limits, [[row.square for row in of_grid] for of_grid in grids.values()]
    )
    of_squares = leave_places(
        list(squares.values()), limits, [[patch_of(row) for row in of_square] for of_square in squares.values()]
    )
    wholes = {
        grid: _place("grid", grid, grid, of_grid, leaving, 0.5)
        for (grid, of_grid), leaving in zip(grids.items(), of_grids, strict=True)
    }
    parts = {
        (grid, name): _place("square", grid, name, of_square, leaving, wholes[grid].pooled.share)
        for ((grid, name), of_square), leaving in zip(squares.items(), of_squares, strict=True)
    }
    named = [wholes[grid] for grid in sorted(wholes, key=lambda grid: grid or "")]
    return named + [parts[key] for key in sorted(parts, key=lambda key: (key[0] or "", key[1]))]


def _place(
    kind: str, grid: str | None, name: str | None, rows: Sequence[Any], leaving: Leaving, around: float
) -> Place:
    each = [float(row.problematic) for row in rows]
    return Place(kind, grid, name, pooled(each, around=around), leaving, commonest_reasons(rows, 3))


__all__ = [
    "PROBLEMATIC_FROM",
    "STALE_AFTER",
    "Place",
    "ReasonCount",
    "SessionCounts",
    "commonest_reasons",
    "condition_of",
    "counts_of",
    "get_session",
    "places_of",
]
