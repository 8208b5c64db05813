"""A driver that blocks the program itself: no time limit of the event loop ends that, only another thread does."""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType

import structlog

from structloop.core.errors import StructloopError

_log = structlog.get_logger(__name__)

# Seconds between looks, and after which a driver that takes no notice is interrupted again.
PERIOD_S = 1.0
AGAIN_S = 10.0
driver_entries: set[CodeType] = set()
"""Functions out of which drivers are called: what is held up by other code, such as a plan's, is left alone."""


class DriverBlocked(BaseException):  # no Exception: a driver must not catch it as one of its own
    """Raised by the watchman in the thread that a driver blocks; becomes an InstrumentTimeoutError there."""


@dataclass(slots=True)
class _Call:
    what: str
    until: float
    thread: int
    told: bool = False


class Watchman:
    """Interrupts a driver that holds up the event loop for longer than its call may take.

    A call that ends its waits, however late, is ended by its own time limit. One that never comes back to the loop (a
    read without end, `time.sleep`, a loop without `await`) is interrupted here: in the main thread by a signal, which
    ends system calls too; in another thread by an exception, which a system call that never returns does not see. What
    cannot be interrupted is at least told.

    Args:
        told: Called from another thread, once for each call that blocks.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._calls: dict[int, _Call] = {}
        self._over = threading.Event()
        self._signals = False

    def begin(self) -> None:
        """Watch from now on, until `end`."""
        self._over = threading.Event()
        if _may_signal() and signal.getsignal(signal.SIGURG) is signal.SIG_DFL:
            signal.signal(signal.SIGURG, self._raise)
            self._signals = True
        threading.Thread(target=self._watch, args=(self._over,), name="structloop-watchman", daemon=True).start()

    def end(self) -> None:
        """Watch no longer."""
        self._over.set()
        if self._signals and _may_signal():
            signal.signal(signal.SIGURG, signal.SIG_DFL)
            self._signals = False

    @contextmanager
    def over(self, what: str, seconds: float) -> Iterator[None]:
        """Watch over a call from this thread that must have ended after so many seconds of the world's time."""
        call = _Call(what, time.monotonic() + seconds, threading.get_ident())
        self._calls[id(call)] = call
        try:
            yield
        finally:
            del self._calls[id(call)]

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(PERIOD_S):
            now = time.monotonic()
            late = [call for call in list(self._calls.values()) if now > call.until and _is_in_driver(call.thread)]
            for call in late:
                call.until = now + AGAIN_S
                if not call.told:
                    call.told = True
                    self._tell(f"{call.what}: the driver blocks the program; it is interrupted")
            for thread in {call.thread for call in late}:
                self._interrupt(thread)

    def _interrupt(self, thread: int) -> None:
        if self._signals and thread == threading.main_thread().ident:
            signal.pthread_kill(thread, signal.SIGURG)
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(DriverBlocked))

    def _raise(self, number: int, frame: FrameType | None) -> None:
        # By now the driver may have come back by itself.
        if _comes_from_driver(frame):
            raise DriverBlocked

    def _tell(self, text: str) -> None:
        _log.error(text)
        try:
            self._told(text)
        except (StructloopError, OSError) as error:
            # The driver must be interrupted whether that can be written or not.
            _log.warning("journal not written", error=str(error))


def _is_in_driver(thread: int) -> bool:
    return _comes_from_driver(sys._current_frames().get(thread))


def _comes_from_driver(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in driver_entries:
            return True
        frame = frame.f_back
    return False


def _may_signal() -> bool:
    return hasattr(signal, "SIGURG") and threading.current_thread() is threading.main_thread()


__all__ = ["DriverBlocked", "Watchman", "driver_entries"]
