"""Replay: a recorded session as a microscope that is observed; and recording whatever another one shows."""

from structloop.instruments.replay.driver import ReplayDriver
from structloop.instruments.replay.microscope import ReplayMicroscope
from structloop.instruments.replay.recording import Recording, record
from structloop.instruments.replay.sessions import RecordedSession, read_recorded

__all__ = ["RecordedSession", "Recording", "ReplayDriver", "ReplayMicroscope", "read_recorded", "record"]
