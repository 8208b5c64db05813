"""Values that should be numbers or times and are none: gathered while a file is read, so that people are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Elements named in one remark; a file that is garbled throughout has thousands.
_NAMED = 8
_SHOWN = 30


class Doubts:
    """What could not be understood in one file, by the name of its element."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._first: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, value: str | None, identity: int) -> None:
        """Take down a value; the same element (by its identity) counts once, however often it is asked for."""
        if identity in self._seen:
            return
        self._seen.add(identity)
        self._first.setdefault(name, _shown(value))
        self._counts[name] = self._counts.get(name, 0) + 1

    def told(self) -> tuple[str, ...]:
        """A phrase for each element name: `StagePosition/X is 'NaN' (3 times)`."""
        phrases = [
            f"{name} is {value}" + (f" ({self._counts[name]} times)" if self._counts[name] > 1 else "")
            for name, value in sorted(self._first.items())
        ]
        rest = len(phrases) - _NAMED
        return tuple(phrases if rest <= 0 else [*phrases[:_NAMED], f"{rest} other elements are no better"])


_current: ContextVar[Doubts | None] = ContextVar("doubts", default=None)


@contextmanager
def doubting() -> Iterator[Doubts]:
    """While it lasts, `doubt` takes down what is met; outside nothing does, and values are unknown all the same."""
    doubts = Doubts()
    token = _current.set(doubts)
    try:
        yield doubts
    finally:
        _current.reset(token)


def doubt(name: str, value: str | None, identity: int) -> None:
    """A value that cannot be understood was met.

    Args:
        name: Of its element, as the file writes it.
        value: As the file writes it; None where nothing is written.
        identity: Of the element, as `id` gives it.
    """
    doubts = _current.get()
    if doubts is not None:
        doubts.add(name, value, identity)


def _shown(value: str | None) -> str:
    if value is None or not value.strip():
        return "empty"
    plain = value.strip()
    return repr(plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}...")


__all__ = ["Doubts", "doubt", "doubting"]
