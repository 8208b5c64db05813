"""How long a screening will still take: told from the exposures so far, on the microscope's clock and on ours."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

# What a session did before it was interrupted is told again, in no time; an exposure itself takes longer than that.
_AT_ONCE = timedelta(seconds=0.5)
# Clocks that differ by less go the same: a real microscope's.
_SAME_PACE = 2.0


class Remaining:
    """An estimate that is fed with what happens.

    Args:
        now_s: Our clock, in seconds; it never goes back.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._began: tuple[datetime, float] | None = None
        self._last: tuple[datetime, float, int] | None = None
        self._taken = 0

    def told(self, at: datetime, exposures: int, planned: int) -> str:
        """What to say after an event.

        Args:
            at: When it happened on the microscope's clock, which may be virtual.
            exposures, planned: Taken so far, those of an earlier run among them, and at most to come altogether.

        Returns:
            Such as "about 2 h 10 min left"; nothing before the first exposure.
        """
        here_s = self._now_s()
        if self._last is None or self._began is None:
            self._began = (at, here_s)
        elif exposures > self._last[2] and at - self._last[0] >= _AT_ONCE:
            self._taken += exposures - self._last[2]
        elif self._taken == 0 and exposures > self._last[2]:
            # Done by an earlier run: the time since counts for what comes.
            self._began = (at, here_s)
        self._last = (at, here_s, exposures)
        left = planned - exposures
        if self._taken == 0 or left <= 0:
            return ""
        there_s = (at - self._began[0]).total_seconds() / self._taken * left
        own_s = (here_s - self._began[1]) / self._taken * left
        if own_s <= 0 or 1 / _SAME_PACE < there_s / own_s < _SAME_PACE:
            return f"about {duration(there_s)} left"
        return f"about {duration(there_s)} left on the microscope's clock, {duration(own_s)} here"


def duration(seconds: float) -> str:
    """A duration for people: `40 s`, `12 min`, `2 h 10 min`."""
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


__all__ = ["Remaining", "duration"]
