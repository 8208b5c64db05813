"""What happens, told live: one watcher asks the database, and every listener hears of the changes.

The database is the only channel, so that jobs of other processes are told of too.
Nothing is asked while nobody listens.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from structloop.api.shapes import ExposuresChanged, PlatesChanged, Resync
from structloop.api.submitting import job_view
from structloop.core.errors import StructloopError
from structloop.core.log import get_logger
from structloop.crystals.changes import PlatesSeen, look_at_plates
from structloop.exposures.listing import SessionsSeen, look_at_sessions
from structloop.jobs import JobQueue
from structloop.store import Database

EVENT_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"$ref": f"#/components/schemas/{name}"} for name in ("JobView", "PlatesChanged", "ExposuresChanged", "Resync")
    ]
}
_JOBS_WATCHED = 50
_MOST_PLATES_TOLD = 200
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    name: str
    data: str


class EventBroadcast:
    """Watches jobs, plates and sessions of exposures while somebody listens, and tells all listeners.

    Args:
        database: Where plates and exposures are.
        queue: Where jobs are.
        every_s: Seconds between two looks.
        kept: How many events are kept for listeners that come back.
        pause_s: Seconds before the next look after one that failed.
    """

    def __init__(
        self, database: Database, queue: JobQueue, *, every_s: float = 0.5, kept: int = 1000, pause_s: float = 2.0
    ) -> None:
        self._database = database
        self._queue = queue
        self._every_s = every_s
        self._pause_s = pause_s
        self._kept: deque[_Event] = deque(maxlen=kept)
        # Numbers start anew with every server: the prefix tells a listener's old numbers from ours.
        self._run = secrets.token_hex(4)
        self._count = 0
        self._listeners = 0
        self._news = asyncio.Condition()
        self._watcher: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stopped = False
        self._jobs: dict[str, str] | None = None
        self._plates: PlatesSeen | None = None
        self._sessions: SessionsSeen | None = None

    async def listen(self, last_event_id: str | None = None) -> AsyncIterator[ServerSentEvent]:
        """Events as they happen, from the one after `last_event_id`; ends when the server stops."""
        self._listeners += 1
        try:
            # Listeners that come at the same moment must not start two watchers: each would tell all changes.
            async with self._starting:
                if self._watcher is None or self._watcher.done():
                    # What changed while nobody listened is told to those who come back.
                    await self._tell(await run_in_threadpool(self._look))
                    self._watcher = asyncio.create_task(self._watch())
            position, missed = self._resume(last_event_id)
            if missed is not None:
                yield ServerSentEvent(missed.model_dump_json(), event="resync", id=f"{self._run}-{position}")
            for progress in reversed(await run_in_threadpool(self._queue.list, _JOBS_WATCHED)):
                if not progress.state.is_final:
                    yield ServerSentEvent(
                        job_view(progress).model_dump_json(), event="job", id=f"{self._run}-{position}"
                    )
            while not self._stopped:
                for event in [event for event in self._kept if event.number > position]:
                    position = event.number
                    yield ServerSentEvent(event.data, event=event.name, id=f"{self._run}-{event.number}")
                async with self._news:
                    await self._news.wait_for(lambda seen=position: self._stopped or self._count > seen)  # type: ignore[misc]
        finally:
            self._listeners -= 1

    async def stop(self) -> None:
        """Ends the watcher and every listener."""
        self._stopped = True
        async with self._news:
            self._news.notify_all()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)

    def _resume(self, last_event_id: str | None) -> tuple[int, Resync | None]:
        if last_event_id is None:
            return self._count, None
        run, _, number = last_event_id.partition("-")
        oldest = self._kept[0].number if self._kept else self._count + 1
        if run == self._run and number.isdigit() and oldest - 1 <= int(number) <= self._count:
            return int(number), None
        reason = "the server was started again" if run != self._run else "too much has happened since"
        return self._count, Resync(reason=reason)

    async def _watch(self) -> None:
        while self._listeners and not self._stopped:
            await asyncio.sleep(self._every_s)
            try:
                news = await run_in_threadpool(self._look)
            except (StructloopError, SQLAlchemyError) as error:
                # A database server that restarts, or has no connection to spare, must not silence the listeners.
                _log.warning("changes cannot be read; trying again", reason=str(error))
                await asyncio.sleep(self._pause_s)
            else:
                await self._tell(news)

    async def _tell(self, news: list[tuple[str, str]]) -> None:
        if news:
            async with self._news:
                for name, data in news:
                    self._count += 1
                    self._kept.append(_Event(self._count, name, data))
                self._news.notify_all()

    def _look(self) -> list[tuple[str, str]]:
        """What has changed since the last look; nothing at the first one."""
        jobs = {progress.id: job_view(progress).model_dump_json() for progress in self._queue.list(_JOBS_WATCHED)}
        plates, changed = look_at_plates(self._database, self._plates)
        sessions, processed = look_at_sessions(self._database, self._sessions)
        news: list[tuple[str, str]] = []
        if self._jobs is not None:
            before = self._jobs
            news += [("job", told) for key, told in reversed(jobs.items()) if before.get(key) != told]
        if len(changed) > _MOST_PLATES_TOLD:
            news.append(("resync", Resync(reason=f"{len(changed)} plates have changed").model_dump_json()))
        elif changed:
            news.append(("plates", PlatesChanged(plate_ids=changed).model_dump_json()))
        if processed:
            news.append(("exposures", ExposuresChanged(session_ids=processed).model_dump_json()))
        self._jobs, self._plates, self._sessions = jobs, plates, sessions
        return news


__all__ = ["EVENT_SCHEMA", "EventBroadcast"]
