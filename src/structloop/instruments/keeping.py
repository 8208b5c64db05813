"""Keeping the pixels of an image that was taken, however its driver gives them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from structloop.core.errors import InstrumentFaultError, InstrumentTimeoutError, SessionFolderError
from structloop.instruments.calling import in_thread
from structloop.instruments.images import Keep, keep_image, storable
from structloop.instruments.microscope import TakenImage
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import Imaged, KeptImage


@dataclass
class Keeping:
    """Keeps images below a session's folder.

    Attributes:
        note: Writes a note into the journal.
    """

    folder: Path
    keep: Keep
    timeouts: Timeouts
    note: Callable[[str], None]
    _said: set[str] = field(default_factory=set)

    async def kept(self, name: str, taken: TakenImage) -> Imaged:
        """The facts of an image and, where images of its preset are kept, its file.

        Raises:
            InstrumentTimeoutError: its pixels do not come in time.
            InstrumentFaultError: they cannot be read, or are not what the driver says; it was taken all the same.
            SessionFolderError: they cannot be written.
        """
        binning = self.keep.binning(taken.facts.preset)
        if binning is None:
            return Imaged(image=taken.facts)
        # The driver's own code: it may block, and raise whatever it likes.
        reading = f"reading the pixels of {name}"
        try:
            pixels, changed = storable(await in_thread(self.timeouts.pixels_s, reading, partial(taken.read, binning)))
            kept = await self._write(name, TakenImage(taken.facts, lambda _: pixels), binning)
        except (asyncio.CancelledError, InstrumentTimeoutError, KeyboardInterrupt, SessionFolderError):
            raise
        except BaseException as error:  # whatever goes wrong with reading it, the dose is spent
            raise InstrumentFaultError(
                f"the image cannot be read: {type(error).__name__}: {error}", may_have_happened=True
            ) from error
        if changed is not None and changed not in self._said:
            self._said.add(changed)
            self.note(f"{name}: {changed}")
        return Imaged(image=taken.facts, kept=kept)

    async def _write(self, name: str, taken: TakenImage, binning: int) -> KeptImage:
        return await asyncio.to_thread(keep_image, self.folder, name, taken, binning)


__all__ = ["Keeping"]
