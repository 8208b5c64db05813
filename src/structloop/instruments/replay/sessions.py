"""What was recorded of a session: its images in the order they were taken, from a journal or from EPU's files."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from structloop.core.errors import ImageMissingError, InstrumentConnectionError, InstrumentError, JournalError
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.entries import ActionDone, Entry, ImageObserved, SessionBegan, TileTaken
from structloop.instruments.epu import EpuDriver
from structloop.instruments.images import as_kept
from structloop.instruments.journal import JOURNAL_NAME, read_journal
from structloop.instruments.microscope import ObservedImage, Pixels, TakenImage
from structloop.schema.acquisition import Imaged, MicroscopeDescription, MontageImaged, Tier

Level: TypeAlias = Literal["atlas", "square", "hole", "exposure", "other"]

LEVEL_OF_PRESET: dict[str, Level] = {
    "atlas": "atlas",
    "search": "square",
    "square": "square",
    "hole": "hole",
    "view": "hole",
    "exposure": "exposure",
    "record": "exposure",
}
"""What an image of a journal shows, by the preset it was taken with; with any other, something else."""


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A session to replay.

    Attributes:
        name: Of the microscope it was recorded at, or of the folder.
        description: Of that microscope, where it is known.
        images: In their order; reading pixels may fail for one (ImageError) and not for the others.
    """

    name: str
    description: MicroscopeDescription | None
    images: tuple[ObservedImage, ...]


async def read_recorded(folder: Path) -> RecordedSession:
    """Read what was recorded below a folder: a journal where there is one, else an EPU session.

    Raises:
        InstrumentConnectionError: there is neither, or it cannot be read.
    """
    if (folder / JOURNAL_NAME).is_file():
        try:
            return await asyncio.to_thread(_journal_session, folder)
        except JournalError as error:
            raise InstrumentConnectionError(f"{folder} cannot be replayed: {error}") from error
    return await _epu_session(folder)


async def _epu_session(folder: Path) -> RecordedSession:
    microscope = EpuDriver().open(ScopeAddress("epu", path=str(folder.resolve())))
    try:
        await microscope.connect()
        observation = microscope.parts.observation
        images = () if observation is None else tuple([image async for image in observation.images()])
    except InstrumentError as error:
        raise InstrumentConnectionError(f"{folder} cannot be replayed: {error}") from error
    finally:
        await microscope.close()
    if not images:
        raise InstrumentConnectionError(
            f"{folder} holds neither a {JOURNAL_NAME} nor images of an EPU session; there is nothing to replay"
        )
    return RecordedSession(microscope.description.name, None, images)


def _journal_session(folder: Path) -> RecordedSession:
    entries = read_journal(folder).entries
    began = next((entry for entry in entries if isinstance(entry, SessionBegan)), None)
    if began is None:
        raise JournalError(f"{folder / JOURNAL_NAME} has no session in it; nothing was ever run there")
    description = began.microscope
    if description.tier is not Tier.OBSERVE:
        description = description.model_copy(update={"operations": frozenset(), "maintenance_tasks": ()})
    return RecordedSession(description.name, description, _images(folder, entries))


def _images(folder: Path, entries: tuple[Entry, ...]) -> tuple[ObservedImage, ...]:
    images: list[ObservedImage] = []
    ids: set[str] = set()
    tiles: set[tuple[str, int]] = set()

    def take(level: Level | None, name: str, parent: str | None, imaged: Imaged | None) -> None:
        taken = None if imaged is None else _readable(folder, name, imaged, ids)
        if level is None:
            level = "other" if imaged is None else LEVEL_OF_PRESET.get(imaged.image.preset, "other")
        images.append(ObservedImage(level, name, parent, taken, folder / JOURNAL_NAME))

    for entry in entries:
        match entry:
            case ImageObserved():
                take(entry.level, entry.name, entry.parent, entry.imaged)
            case TileTaken():
                tiles.add((entry.key, entry.tile))
                take(None, f"{entry.key}~{entry.tile:03d}", entry.key, entry.imaged)
            case ActionDone(result=Imaged() as imaged):
                take(None, entry.key, entry.key.rpartition("/")[0] or None, imaged)
            case ActionDone(result=MontageImaged() as montage):
                for number, tile in enumerate(montage.tiles):
                    if (entry.key, number) not in tiles:
                        take(None, f"{entry.key}~{number:03d}", entry.key, tile)
            case _:
                pass
    return tuple(images)


def _readable(folder: Path, name: str, imaged: Imaged, ids: set[str]) -> TakenImage:
    taken = as_kept(folder, imaged) or TakenImage(imaged.image, _missing(name))
    facts = taken.facts
    if facts.image_id in ids:
        # A simulated microscope that was started again counts from the beginning.
        facts = facts.model_copy(update={"image_id": f"{facts.image_id} ({name})"})
    ids.add(facts.image_id)
    return TakenImage(facts, taken.read)


def _missing(name: str) -> Callable[[int], Pixels]:
    def read(binning: int) -> Pixels:
        raise ImageMissingError(f"the image of {name} was taken and not kept; only its facts can be replayed")

    return read


__all__ = ["LEVEL_OF_PRESET", "RecordedSession", "read_recorded"]
