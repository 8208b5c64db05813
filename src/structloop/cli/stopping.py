"""Commands that take a while end the same way by Ctrl-C and by a polite kill: what was begun is ended safely."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

# Ctrl-C, a polite kill, a terminal that was closed; Windows has not all of them.
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def terminating_as_interrupt() -> Iterator[None]:
    """While it lasts, SIGTERM raises KeyboardInterrupt, as Ctrl-C does; in the background too, where that is ignored.

    For what does not run in asyncio; see `run_stoppable` for what does.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_stoppable(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; Ctrl-C, SIGTERM or SIGHUP cancels it, and its `finally` and `async with` end what was begun.

    However often they come, they only cancel: what ends a session, and holds out against being cancelled, is not cut
    short by an impatient second Ctrl-C. What is ignored from outside (SIGHUP under nohup) stays ignored.

    Raises:
        KeyboardInterrupt: it was cancelled so.
    """
    ended = False
    before = {number: signal.getsignal(number) for number in _ENDING}

    async def watched() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def end() -> None:
            nonlocal ended
            ended = True
            if task is not None:
                task.cancel()

        for number, handler in before.items():
            # Windows has no such handlers; there, asyncio itself cancels at the first Ctrl-C.
            with suppress(NotImplementedError):
                if handler is not signal.SIG_IGN:
                    loop.add_signal_handler(number, end)
        return await work

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if ended:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["run_stoppable", "terminating_as_interrupt"]
