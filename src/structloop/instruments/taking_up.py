"""Taking a session up, for the first time or again: whether it is the same microscope, with the same grids."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from structloop.core.errors import InstrumentError, JournalError
from structloop.instruments.caretaking import Caretaker
from structloop.instruments.clock import Clock
from structloop.instruments.entries import Entry, SessionBegan
from structloop.instruments.folding import SessionRecord
from structloop.instruments.journal import Journal
from structloop.schema.acquisition import MicroscopeDescription, Slot


@dataclass(frozen=True, slots=True)
class TakingUp:
    """The beginning of a session, or of its going on.

    Attributes:
        write: Appends an entry to the journal and takes it into `record`.
    """

    record: SessionRecord
    journal: Journal
    caretaker: Caretaker
    clock: Clock
    write: Callable[[Entry], None]

    async def done(self, microscope: MicroscopeDescription, seed: int | None) -> bool:
        """Look whether the session may go on here, and write down that it does. Says whether it began before.

        Raises:
            JournalError: it is of another microscope, or its grids were changed.
            InstrumentError: the microscope cannot be looked at.
        """
        began, folder = self.record.began, self.journal.folder
        if began is not None and (began.microscope.driver, began.microscope.name) != (
            microscope.driver,
            microscope.name,
        ):
            raise JournalError(
                f"the journal in {folder} is of {began.microscope.name} ({began.microscope.driver}), not of "
                f"{microscope.name} ({microscope.driver}); begin a new folder"
            )
        state, problem = await self.caretaker.state(), ""
        slots: tuple[Slot, ...] = ()
        try:
            slots = await self.caretaker.slots()
        except InstrumentError as error:
            problem = f"no look at the slots, so that changed grids would not be noticed: {error}"
        _check_grids(self.record, slots, folder)
        versions = {"structloop": version("structloop"), "python": platform.python_version()}
        self.write(
            SessionBegan(
                at=self.clock.now(), microscope=microscope, state=state, slots=slots, seed=seed, versions=versions
            )
        )
        if problem:
            self.caretaker.note(problem)
        if self.journal.unfinished:
            self.caretaker.note(
                f"the last {self.journal.unfinished} bytes of the journal, an unfinished line, were dropped"
            )
            self.journal.unfinished = 0
        return began is not None


def _check_grids(record: SessionRecord, slots: tuple[Slot, ...], folder: Path) -> None:
    """As far as the microscope names them: grids that the session had on the stage are still those."""
    loaded = record.loaded()
    for slot in slots:
        before = record.slots.get(slot.number)
        if slot.number in loaded and before and slot.name and slot.name != before:
            raise JournalError(
                f"slot {slot.number} held grid '{before}' when the session in {folder} loaded it, and holds "
                f"'{slot.name}' now: places found on one are not on the other. Put the grid back, or begin a new folder"
            )


__all__ = ["TakingUp"]
