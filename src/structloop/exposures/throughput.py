"""Whether processing keeps up: how many exposures come an hour, how many are done, and what waits."""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 1800.0
"""Rates are those of the last half hour."""

_LEAST_EVENTS = 3
_LEAST_WAITING = 3


def per_hour(events: int, seconds: float) -> float | None:
    """The rate of some events, wherever one is told: while it runs, at its end, in a list, in the browser.

    Args:
        events: How many there were.
        seconds: In how long; never counted as less than a thousandth of a second.

    Returns:
        Events an hour; None where there were too few to tell.
    """
    return None if events < _LEAST_EVENTS else events / max(seconds, 1e-3) * 3600


@dataclass(frozen=True, slots=True)
class Rates:
    """How it goes.

    Attributes:
        waiting: Exposures that have come and are not done.
        arriving_per_hour, done_per_hour: Lately; None while too few came or were done.
        backlog_s: How long what waits will take; None where that is not known.
        behind: In words, where more come than are done; None while it keeps up.
    """

    waiting: int
    arriving_per_hour: float | None
    done_per_hour: float | None
    backlog_s: float | None
    behind: str | None


class Throughput:
    """Counts exposures that come and that are done; times are seconds of one clock.

    Those that lay there when counting began did not come lately: they only wait.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._came: deque[float] = deque()
        self._done: deque[float] = deque()

    def came(self, now: float) -> None:
        """Another exposure was seen."""
        self._came.append(now)

    def done(self, now: float) -> None:
        """Another exposure was processed."""
        self._done.append(now)

    def rates(self, now: float, waiting: int) -> Rates:
        """How it goes.

        Args:
            now: The time.
            waiting: Exposures that have come and are not done.
        """
        arriving, done = (self._per_hour(times, now) for times in (self._came, self._done))
        backlog = None if not done else waiting / done * 3600
        behind = None
        if arriving and done and arriving > done and waiting >= _LEAST_WAITING and backlog is not None:
            behind = (
                f"falling behind: {arriving:.0f} exposures an hour come, {done:.0f} are done; {waiting} wait, "
                f"{_duration(backlog)} of work, and {arriving - done:.0f} more each hour"
            )
        return Rates(waiting, arriving, done, backlog, behind)

    def _per_hour(self, times: deque[float], now: float) -> float | None:
        while times and times[0] < now - WINDOW_S:
            times.popleft()
        # Since when they were counted: a burst just now is no rate of the whole half hour, nor of a second.
        return per_hour(len(times), min(now - self._began, WINDOW_S))


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes:.0f} min"
    return f"about {minutes / 60:.1f} h"


__all__ = ["WINDOW_S", "Rates", "Throughput", "per_hour"]
