"""Calls of a driver, whatever it does: each ends in time, in its answer or in an error of ours."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from structloop.core.errors import (
    ActionSkippedError,
    ImageError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    SafeStopError,
)
from structloop.instruments.blocking import DriverBlocked, Watchman, driver_entries
from structloop.instruments.clock import Clock, DeadlinePassed

T = TypeVar("T")
_log = structlog.get_logger(__name__)

# Seconds of the world's time that a driver has to end a call that was cancelled; then it is left to itself.
GRACE_S = 10.0
# A virtual clock stands still while a driver waits for something of the world: after so many more seconds of the
# world's time than the limit allows, the call is given up all the same.
PATIENCE_S = 60.0
# Calls that were left to themselves: held, so that they are not collected while they still run.
_left: set[asyncio.Task[Any]] = set()


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Finish a piece of work even while the task is being cancelled, and free of the deadlines it stands under."""
    task = asyncio.create_task(work, context=contextvars.Context())
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and task.exception() is not None:
            _log.warning("failed while being cancelled", error=str(task.exception()))
        raise cancelled
    return task.result()


async def in_time(clock: Clock, watchman: Watchman, seconds: float, what: str, call: Callable[[], Awaitable[T]]) -> T:
    """Await a call of a driver for so long at most.

    Whatever a driver raises that is no InstrumentError becomes one; of an image, an ImageError stays what it is.

    Raises:
        InstrumentTimeoutError: it took longer; what was asked for may have happened.
        InstrumentFaultError: the driver raised something else; likewise.
    """
    told: InstrumentTimeoutError | None = None
    try:
        async with clock.timeout(seconds, what):
            try:
                wall_s = seconds + PATIENCE_S
                with watchman.over(what, wall_s + GRACE_S):
                    result, late = await _left_to_itself(wall_s, what, _asked(what, call))
            except InstrumentTimeoutError as error:
                told = error
                raise
    except InstrumentTimeoutError as error:
        if error is told:
            raise
        raise InstrumentTimeoutError(str(error), may_have_happened=True) from error
    caller = asyncio.current_task()
    if late and caller is not None and caller.cancelling():
        # The caller first takes what was done, then is cancelled at its next wait.
        caller.uncancel()
        caller.cancel()
    return result


async def _asked(what: str, call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except DriverBlocked as error:
        raise InstrumentTimeoutError(
            f"{what}: the driver blocked the program and was interrupted", may_have_happened=True
        ) from error
    except (ActionSkippedError, SafeStopError) as error:
        # Words of the runner's: from a driver they would end an action of which the journal says nothing.
        raise _raised(what, error) from error
    except (InstrumentError, ImageError):
        raise
    except (asyncio.CancelledError, DeadlinePassed, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # a driver's bug, sys.exit() too, must not leave the beam on and the valves open
        raise _raised(what, error) from error


driver_entries.add(_asked.__code__)


def _raised(what: str, error: BaseException) -> InstrumentFaultError:
    _log.warning("the driver raised what it should not", what=what, exc_info=error)
    return InstrumentFaultError(f"{what}: the driver raised {type(error).__name__}: {error}", may_have_happened=True)


async def _left_to_itself(wall_s: float, what: str, work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """Await a driver's call; one that does not end although it was cancelled is not waited for any longer.

    Returns:
        What came of it, and whether the cancellation came too late and is still to be heeded.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=wall_s)
    except BaseException:
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result(), True
        await _end(task, what)
        raise
    if not task.done():
        await _end(task, what)
        raise InstrumentTimeoutError(
            f"{what} took longer than {wall_s:g} s of the world's time", may_have_happened=True
        )
    if task.cancelled():
        raise InstrumentFaultError(f"{what}: the driver cancelled its own call", may_have_happened=True)
    return task.result(), False


async def _end(task: asyncio.Task[Any], what: str) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=GRACE_S)
    if task.done():
        if not task.cancelled():
            task.exception()  # it is of no interest any more
        return
    _log.error("the driver does not end a call that was cancelled; it is left to itself", what=what)
    _left.add(task)
    task.add_done_callback(_forget)
    # Otherwise asyncio.run would wait for it, for ever, once the session has ended.
    asyncio._unregister_task(task)


def _forget(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()


async def in_thread(limit_s: float, what: str, call: Callable[[], T]) -> T:
    """Run what may block in a thread that keeps nobody waiting: not the session, and not the end of the process.

    Args:
        limit_s: Of the world's time.

    Raises:
        InstrumentTimeoutError: it took longer; its result, if it ever comes, is dropped.
        BaseException: whatever it raised.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_result((result, error))

    def work() -> None:
        result, failed = None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  # it is raised again where it is waited for
            failed = error
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(deliver, result, failed)

    threading.Thread(target=contextvars.copy_context().run, args=(work,), name=what, daemon=True).start()
    done, _ = await asyncio.wait([answer], timeout=limit_s)
    if not done:
        answer.cancel()
        raise InstrumentTimeoutError(f"{what} took longer than {limit_s:g} s", may_have_happened=True)
    result, failed = answer.result()
    if failed is not None:
        raise failed
    return result  # type: ignore[return-value]  # what `call` returned


__all__ = ["GRACE_S", "in_thread", "in_time", "uninterrupted"]
