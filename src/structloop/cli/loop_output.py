"""Progress of the loop's commands, on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int | None, str], None]


@contextmanager
def progress_bar(title: str, quiet: bool) -> Iterator[Tell]:
    """A bar for what tells done, total and a message; nothing where `quiet` or where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total, _message: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")
        yield lambda done, total, message: bar.update(task, completed=done, total=total, note=message)


__all__ = ["Tell", "progress_bar"]
