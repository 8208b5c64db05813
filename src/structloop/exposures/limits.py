"""Limits of a session learned from the exposures that people marked good or bad.

learned = limits_from_marks(database, session_id)
learned.limits, learned.moved[0].words, learned.remarks

Nothing is written: whoever asks looks at what would move, and sets the limits where it is right. The mathematics is in
`structloop.micrographs.judging.learning`.
"""

from sqlalchemy import select

from structloop.exposures.judging import indicators_of
from structloop.exposures.marks import GOOD, marks_in
from structloop.exposures.sessions import get_session
from structloop.micrographs.judging import LearnedLimits, Limits, MarkedExposure, learn_limits
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure

_FEW = 500


def limits_from_marks(database: Database, session_id: int, start: Limits | None = None) -> LearnedLimits:
    """What the marks of a session say of its limits.

    Marks of exposures that could not be processed say nothing and are left out.

    Args:
        database: Where the session is.
        session_id: Which.
        start: The limits to begin with; the defaults without, so that learning again from more marks does not add up.

    Raises:
        NotFoundError: there is no such session.
        JudgingError: a limit to begin with is not above 0, or a range is upside down.
    """
    with database.snapshot() as session:
        get_session(session, session_id)
        marks = marks_in(session, session_id)
        keys = sorted(marks)
        marked = []
        for place in range(0, len(keys), _FEW):
            rows = session.scalars(
                select(ProcessedExposure)
                .where(ProcessedExposure.id.in_(keys[place : place + _FEW]), ProcessedExposure.state == "done")
                .order_by(ProcessedExposure.id)
            )
            marked += [MarkedExposure(indicators_of(row), marks[row.id].label == GOOD) for row in rows]
    return learn_limits(marked, start)


__all__ = ["limits_from_marks"]
