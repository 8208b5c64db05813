"""Explanations that take seconds, made in threads of their own: a request asks, and asks again until it is there.

Requests never wait for a network. What an explanation rests on lies among the derived files, so what was explained once
is there at once, in this process or the next; here nothing is kept but what nobody has fetched yet.
"""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from structloop.core.errors import JobCanceledError

ResultT = TypeVar("ResultT")
Tell = Callable[[int, int | None, str], None]
Work = Callable[[Tell, Callable[[], bool]], ResultT]

THREADS = 2
PATIENCE_S = 30.0
"""What nobody has asked for so long is stopped: whoever wanted it looks at something else by now."""
_KEPT = 64


@dataclass(frozen=True)
class Asked(Generic[ResultT]):
    """How far an explanation is.

    Attributes:
        result: None until it is there.
        done, total, message: How far it is.
    """

    result: ResultT | None
    done: int = 0
    total: int | None = None
    message: str = ""


@dataclass
class _Task:
    future: "Future[Any] | None" = None
    asked_at: float = field(default_factory=time.monotonic)
    progress: tuple[int, int | None, str] = (0, None, "waiting for its turn")
    is_closing: bool = False

    def tell(self, done: int, total: int | None, message: str) -> None:
        self.progress = (done, total, message)

    def should_stop(self) -> bool:
        return self.is_closing or time.monotonic() - self.asked_at > PATIENCE_S


class ExplainingDesk:
    """Makes explanations beside the requests and the jobs."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="structloop-explain")
        self._tasks: dict[Hashable, _Task] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, work: Work[ResultT]) -> Asked[ResultT]:
        """What came of `work`, which is begun where nobody waits for `key` yet.

        What came of it, be it an error, is told once; whoever asks after that begins anew.

        Args:
            key: What makes two questions the same.
            work: Called in a thread with what it tells its progress to, and what says whether to stop.
        """
        with self._lock:
            task = self._tasks.get(key)
            if task is None or _was_given_up(task):
                task = self._begin(key, work)
            task.asked_at = time.monotonic()
            future = task.future
            if future is None or not future.done():
                return Asked(None, *task.progress)
            del self._tasks[key]
        return Asked(future.result())

    def close(self) -> None:
        """Stops what runs and lets go of the rest."""
        with self._lock:
            for task in self._tasks.values():
                task.is_closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: Hashable, work: Work[ResultT]) -> _Task:
        ended = [old for old, task in self._tasks.items() if task.future is not None and task.future.done()]
        for old in ended[: max(0, len(self._tasks) - _KEPT)]:
            del self._tasks[old]
        task = self._tasks[key] = _Task()
        task.future = self._pool.submit(work, task.tell, task.should_stop)
        return task


def _was_given_up(task: _Task) -> bool:
    future = task.future
    if future is None or not future.done() or future.cancelled():
        return False
    return isinstance(future.exception(), JobCanceledError)


__all__ = ["PATIENCE_S", "Asked", "ExplainingDesk"]
