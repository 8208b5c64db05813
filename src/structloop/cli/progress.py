"""Progress bars on standard error; plain lines where that is no terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

# Logs of batch jobs want a line now and then, not one per item.
_LINE_EVERY_S = 30.0

Told = Callable[[int, int, float | None, str], None]


@contextmanager
def progress_bar(title: str, quiet: bool) -> Iterator[Told]:
    """A bar; what it yields is told how many are done, of how many, how many seconds are left, and a note."""
    if quiet:
        yield lambda _done, _total, _left, _note: None
        return
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, left="", note="")
        yield lambda done, total, left, note: bar.update(
            task, completed=done, total=total, left=_left(left), note=note, refresh=False
        )


def _lines(title: str) -> Told:
    last = time.monotonic()

    def tell(done: int, total: int, left: float | None, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            typer.echo(
                f"{title}: {done} of {total}{', ' if left else ''}{_left(left)}{', ' if note else ''}{note}", err=True
            )

    return tell


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"


__all__ = ["Told", "progress_bar"]
