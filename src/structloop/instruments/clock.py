"""Time as an instrument has it: the wall clock, or a virtual one on which a day passes in minutes."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from structloop.core.errors import InstrumentTimeoutError


@runtime_checkable
class Clock(Protocol):
    """What waits and says the time."""

    def now(self) -> datetime:
        """The time, UTC."""
        ...

    def elapsed_s(self) -> float:
        """Seconds since the clock began; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; `math.inf` waits until it is cancelled or a timeout ends it."""
        ...

    def timeout(self, seconds: float, what: str) -> AbstractAsyncContextManager[None]:
        """A context that raises InstrumentTimeoutError, naming what took so long, once it lasts longer than that."""
        ...


class WallClock:
    """The time of the world."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        """Seconds since the clock was made."""
        return time.monotonic() - self._began

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if math.isinf(seconds):
            await asyncio.Event().wait()
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def timeout(self, seconds: float, what: str) -> AsyncIterator[None]:
        """See `Clock.timeout`."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise InstrumentTimeoutError(f"{what} took longer than {seconds:g} s") from error


class DeadlinePassed(BaseException):
    """A time limit of a virtual clock; like a cancellation, it goes no further than the timeout that it belongs to."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(deadline_s)
        self.deadline_s = deadline_s


_deadlines: ContextVar[tuple[float, ...]] = ContextVar("deadlines", default=())


class VirtualClock:
    """A clock that only moves when somebody sleeps on it, and then at once.

    Timeouts are of this time too: a sleep that would pass the nearest deadline moves the clock to the deadline and
    ends there.

    Args:
        start: The time it begins at, UTC.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """The virtual time, UTC."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def elapsed_s(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        """Move the clock on, and let other tasks run once."""
        until = self._elapsed_s + max(seconds, 0.0)
        deadline = min(_deadlines.get(), default=math.inf)
        if until > deadline:
            self._elapsed_s = max(self._elapsed_s, deadline)
            # Whoever swallows it and sleeps again lets others run all the same.
            await asyncio.sleep(0)
            raise DeadlinePassed(deadline)
        if math.isinf(until):
            await asyncio.Event().wait()
        self._elapsed_s = until
        await asyncio.sleep(0)

    @asynccontextmanager
    async def timeout(self, seconds: float, what: str) -> AsyncIterator[None]:
        """See `Clock.timeout`."""
        deadline = self._elapsed_s + seconds
        token = _deadlines.set((*_deadlines.get(), deadline))
        try:
            yield
        except DeadlinePassed as passed:
            if passed.deadline_s != deadline:
                raise
            raise InstrumentTimeoutError(f"{what} took longer than {seconds:g} s") from passed
        finally:
            _deadlines.reset(token)


__all__ = ["Clock", "DeadlinePassed", "VirtualClock", "WallClock"]
