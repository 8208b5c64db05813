"""A live folder: which movies are whole and may be processed, in whatever order they come."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from structloop.exposures.finding import FoundMovie, Source, Stamp


class Feed(Protocol):
    """Where movies come from."""

    def look(self) -> list[FoundMovie]:
        """Movies that are whole, those that were given before included."""
        ...

    @property
    def settling(self) -> int:
        """How many were seen and may not be whole yet."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        ...


@dataclass
class Once:
    """All movies at once, as they are; satisfies `Feed`."""

    movies: list[FoundMovie]
    settling: int = 0
    ended: bool = True

    def look(self) -> list[FoundMovie]:
        """See `Feed.look`."""
        return self.movies


@dataclass
class Watch:
    """A folder or pattern that fills; satisfies `Feed`.

    A movie, with the files beside it, is whole when none of them has changed for `settle_s`. One that has lain there
    for that long by its time of change need not be waited for.

    Attributes:
        source: Where.
        settle_s: Seconds.
    """

    source: Source
    settle_s: float = 10.0
    ended: bool = False
    settling: int = field(default=0, init=False)
    _seen: dict[Path, tuple[tuple[Stamp, ...], float]] = field(default_factory=dict, init=False)

    def look(self) -> list[FoundMovie]:
        """See `Feed.look`."""
        now, clock = time.monotonic(), time.time()
        ready, seen = [], {}
        for movie in self.source.look():
            stamps = (movie.stamp, *(stamp for _, stamp in movie.beside))
            before = self._seen.get(movie.path)
            if before is None or before[0] != stamps:
                # A clock ahead of ours must not make a file look old.
                age = max(0.0, clock - max(changed for _, changed in stamps) / 1e9)
                # As if seen a whole second more than long enough ago: `now - (now - settle_s)` may round to less.
                before = (stamps, now - (min(age, self.settle_s + 1.0) if before is None else 0.0))
            seen[movie.path] = before
            if now - before[1] >= self.settle_s:
                ready.append(movie)
        self._seen = seen
        self.settling = len(seen) - len(ready)
        return ready


__all__ = ["Feed", "Once", "Watch"]
