"""Server-sent events: what the broadcast tells, and to whom."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sse_starlette import ServerSentEvent

from structloop.api.live import EventBroadcast
from structloop.core.errors import NotFoundError, StoreUnavailableError
from structloop.crystals.annotations import annotate
from structloop.jobs import JobQueue, Workspace
from structloop.schema.events import JobProgress
from support.stored_plates import StoredPlate, store_plate

WITHIN_S = 60.0
Told = tuple[str, dict[str, object], str]


def broadcast_of(workspace: Workspace, **options: int) -> EventBroadcast:
    return EventBroadcast(workspace.database, JobQueue(workspace), every_s=0.02, **options)


async def following(events: AsyncIterator[ServerSentEvent]) -> Told:
    event = await asyncio.wait_for(anext(events), WITHIN_S)
    return str(event.event), json.loads(str(event.data)), str(event.id)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.01)


async def watching(broadcast: EventBroadcast) -> None:
    """Waits for the first look: what was there before it is no change."""
    await until(lambda: broadcast._watcher is not None)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await test()

    asyncio.run(body())


def test_unfinished_jobs_are_told_at_once_and_changes_as_they_come(workspace: Workspace) -> None:
    queue = JobQueue(workspace)
    job = queue.submit("crystals.score", {"barcode": "P1"}, "P1")

    async def test() -> None:
        broadcast = broadcast_of(workspace)
        events = broadcast.listen()
        name, data, _ = await following(events)
        assert (name, data["id"], data["state"]) == ("job", job, "queued")
        queue.cancel(job)
        name, data, _ = await following(events)
        assert (name, data["id"], data["state"]) == ("job", job, "canceled")
        await broadcast.stop()

    run(test)


def test_plates_that_change_are_named(workspace: Workspace, plate: StoredPlate, tmp_path: Path) -> None:
    async def test() -> None:
        broadcast = broadcast_of(workspace)
        events = broadcast.listen()
        waiting = asyncio.ensure_future(following(events))
        await watching(broadcast)
        new = store_plate(workspace.database, tmp_path / "images", "NEW")
        assert (await waiting)[:2] == ("plates", {"plate_ids": [new.id]})
        annotate(
            workspace.database,
            plate.drops["A02", 3],
            inspection=1,
            scheme="axis",
            label="crystal",
            annotator="ann",
            score_visible=True,
        )
        assert (await following(events))[:2] == ("plates", {"plate_ids": [plate.id]})
        await broadcast.stop()

    run(test)


def test_who_comes_back_hears_what_was_missed(workspace: Workspace) -> None:
    queue = JobQueue(workspace)

    async def test() -> None:
        broadcast = broadcast_of(workspace)
        events = broadcast.listen()
        waiting = asyncio.ensure_future(following(events))
        await watching(broadcast)
        first = queue.submit("crystals.score", {"barcode": "P1"}, "P1")
        _, data, seen = await waiting
        assert data["id"] == first
        await events.aclose()  # type: ignore[attr-defined]
        await until(lambda: broadcast._watcher is None or broadcast._watcher.done())
        # Nobody listens now; the next listener still hears of it.
        second = queue.submit("crystals.score", {"barcode": "P2"}, "P2")
        back = broadcast.listen(seen)
        told = [await following(back) for _ in range(3)]
        assert {item["id"] for _, item, _ in told} == {first, second}
        assert all(name == "job" for name, _, _ in told)
        await broadcast.stop()

    run(test)


def test_who_comes_back_too_late_or_to_another_server_starts_anew(workspace: Workspace) -> None:
    async def test() -> None:
        broadcast = broadcast_of(workspace)
        for last in ("0badcafe-3", "nonsense", "", f"{broadcast._run}-77"):
            events = broadcast.listen(last)
            name, data, _ = await following(events)
            assert name == "resync"
            assert data["reason"]
            await events.aclose()  # type: ignore[attr-defined]
        await broadcast.stop()

    run(test)


def test_listeners_end_when_the_server_does(workspace: Workspace) -> None:
    async def test() -> None:
        broadcast = broadcast_of(workspace)
        events = [broadcast.listen() for _ in range(3)]
        waiting = [asyncio.ensure_future(anext(item, None)) for item in events]
        await watching(broadcast)
        await broadcast.stop()
        assert await asyncio.wait_for(asyncio.gather(*waiting), WITHIN_S) == [None, None, None]

    run(test)


def test_listeners_that_come_at_the_same_moment_start_one_watcher(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[EventBroadcast] = []
    watch = EventBroadcast._watch

    async def counted(broadcast: EventBroadcast) -> None:
        started.append(broadcast)
        await watch(broadcast)

    monkeypatch.setattr(EventBroadcast, "_watch", counted)

    async def test() -> None:
        broadcast = broadcast_of(workspace)
        waiting = [asyncio.ensure_future(following(broadcast.listen())) for _ in range(5)]
        await watching(broadcast)
        job = JobQueue(workspace).submit("crystals.score", {"barcode": "P1"}, "P1")
        for name, data, _ in await asyncio.gather(*waiting):
            assert (name, data["id"]) == ("job", job)
        await broadcast.stop()

    run(test)
    assert len(started) == 1


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("the server restarts"),
        PoolTimeoutError("QueuePool limit of size 10 overflow 20 reached"),
        NotFoundError("a plate was deleted while it was looked at"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_fails_for_a_while_does_not_silence_anybody(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queue = JobQueue(workspace)
    working = queue.list
    failures = iter([error] * 3)

    def failing(limit: int = 50) -> list[JobProgress]:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return working(limit)

    async def test() -> None:
        broadcast = EventBroadcast(workspace.database, queue, every_s=0.02, pause_s=0.02)
        events = broadcast.listen()
        # Once the first job is told, only the watcher looks.
        first = queue.submit("crystals.score", {"barcode": "P1"}, "P1")
        assert (await following(events))[1]["id"] == first
        monkeypatch.setattr(queue, "list", failing)
        second = queue.submit("crystals.score", {"barcode": "P2"}, "P2")
        name, data, _ = await following(events)
        assert (name, data["id"]) == ("job", second)
        assert next(failures, None) is None
        await broadcast.stop()

    run(test)
