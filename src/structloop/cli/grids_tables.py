"""Tables of results: as wide as the terminal, and whole where they are piped or written to a file."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

# Wider than any row; no terminal is asked for its width where there is none.
_WHOLE = 100_000


def results_console() -> Console:
    """Where results are printed: standard output, with nothing cut where that is no terminal."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WHOLE
    return console


def plain_table(columns: Iterable[str]) -> Table:
    """A table without lines; a long name is folded on a narrow terminal, not cut."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def count_of(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: `1 hole`, `2 holes`, `1 atlas`, `2 atlases`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


__all__ = ["count_of", "plain_table", "results_console"]
