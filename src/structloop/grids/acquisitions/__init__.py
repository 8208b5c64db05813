"""Sessions at a microscope: read from their files, recorded in the store, and asked for again."""

from structloop.grids.acquisitions.queries import SessionFacts, SessionNumbers, list_sessions, session_numbers
from structloop.grids.acquisitions.recording import Recorded, record_session

__all__ = [
    "Recorded",
    "SessionFacts",
    "SessionNumbers",
    "list_sessions",
    "record_session",
    "session_numbers",
]
