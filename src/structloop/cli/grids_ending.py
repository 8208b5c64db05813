"""What a command says of a session that was interrupted: what its journal says, and no more."""

from pathlib import Path

import typer

from structloop.core.errors import JournalError, SessionFolderError


def ending_of(folder: Path) -> str:
    """How the session in a folder ended, as the beginning of a sentence: "safe" only where its journal says so."""
    from structloop.instruments.journal import read_journal

    try:
        entries = read_journal(folder).entries
    except (JournalError, SessionFolderError) as error:
        return f"Stopped; whether safely is not known, the journal cannot be read ({error}): look at the microscope"
    last = next((entry for entry in reversed(entries) if entry.entry in {"session", "stopped"}), None)
    if last is None:
        return "Stopped before anything was begun"
    if last.entry == "stopped" and last.safe:
        return "Stopped safely"
    return (
        "Stopped, and NOT known to be safe: the journal does not say that the beam is off and the valves are closed; "
        "look at the microscope"
    )


def say(text: str) -> None:
    """A line on standard error, where anybody still reads it: a closed terminal or pipe ends nothing."""
    try:
        typer.echo(text, err=True)
    except OSError:
        # Nobody is there to be told.
        return


__all__ = ["ending_of", "say"]
