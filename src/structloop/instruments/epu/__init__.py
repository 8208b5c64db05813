"""EPU: sees what it does through the files it writes, and advises it through its decision service (Smart EPU)."""

from structloop.instruments.epu.advising import ServiceAdvice, decision_of
from structloop.instruments.epu.completeness import earlier_keys
from structloop.instruments.epu.decisions import DecisionClient, PlannedRequest, Posted
from structloop.instruments.epu.driver import EpuDriver, EpuMicroscope
from structloop.instruments.epu.following import SessionFollower, SessionUpdate, follow_session
from structloop.instruments.epu.placing import PlacedImage
from structloop.instruments.epu.sessions import read_session, read_sessions

__all__ = [
    "DecisionClient",
    "EpuDriver",
    "EpuMicroscope",
    "PlacedImage",
    "PlannedRequest",
    "Posted",
    "ServiceAdvice",
    "SessionFollower",
    "SessionUpdate",
    "decision_of",
    "earlier_keys",
    "follow_session",
    "read_session",
    "read_sessions",
]
