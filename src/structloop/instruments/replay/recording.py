"""Recording: whatever an observed microscope shows becomes a journal with kept images, which can be replayed."""

import asyncio
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from structloop.core.errors import AcquisitionFileError, ImageError, NotCapableError, SessionFolderError
from structloop.instruments.clock import Clock, WallClock
from structloop.instruments.drivers import OwnTime
from structloop.instruments.entries import ImageObserved, Noted, SessionBegan, SessionStopped
from structloop.instruments.images import file_name, keep_image
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import Microscope, ObservedImage
from structloop.schema.acquisition import Imaged


@dataclass(frozen=True, slots=True)
class Recording:
    """What came of a recording.

    Attributes:
        images: Recorded now, with pixels.
        without_pixels: Recorded now by their facts or names alone: there were no pixels, or they could not be read.
        known: Seen again, and recorded before.
    """

    images: int
    without_pixels: int
    known: int


async def record(
    microscope: Microscope,
    folder: Path,
    *,
    clock: Clock | None = None,
    told: Callable[[ObservedImage], None] | None = None,
) -> Recording:
    """Follow a microscope until its session ends, and write down what it shows. Goes on with what a folder holds.

    Args:
        microscope: With the part `observation`; not connected yet. It is closed afterwards.
        folder: Of the recording.
        clock: That tells the time; the microscope's own where it has one, else the wall clock.
        told: Called with each image once it is recorded.

    Raises:
        NotCapableError: the microscope cannot be observed.
        JournalError, SessionFolderError: the folder cannot be recorded into.
    """
    clock = clock or (microscope.clock if isinstance(microscope, OwnTime) else None) or WallClock()
    counts = {"images": 0, "without_pixels": 0, "known": 0}
    try:
        # Before the folder is made: what cannot be observed leaves none behind.
        await microscope.connect()
        observation = microscope.parts.observation
        if observation is None:
            raise NotCapableError(f"{microscope.description.name} cannot be observed; there is nothing to record")
        with Journal.open(folder) as journal:
            seen = {
                (entry.level, entry.name, _id(entry.imaged)) for entry in journal.entries if entry.entry == "observed"
            }
            number = len(seen)
            try:
                versions = {"structloop": version("structloop"), "python": platform.python_version()}
                journal.append(SessionBegan(at=clock.now(), microscope=microscope.description, versions=versions))
                async for observed in observation.images():
                    known = (observed.level, observed.name, _id_of(observed))
                    if known in seen:
                        counts["known"] += 1
                        continue
                    seen.add(known)
                    imaged, problem = await asyncio.to_thread(_kept, folder, number, observed)
                    if problem:
                        journal.append(Noted(at=clock.now(), text=f"{observed.name}: {problem}"), durable=False)
                    journal.append(_entry(clock, observed, imaged))
                    number += 1
                    counts["images" if imaged is not None and imaged.kept is not None else "without_pixels"] += 1
                    if told is not None:
                        told(observed)
                journal.append(SessionStopped(at=clock.now(), reason="the session ended", early=False))
            except SessionFolderError:
                raise
            except BaseException as error:
                reason = f"the recording ended early: {type(error).__name__} {error}".strip()
                journal.append(SessionStopped(at=clock.now(), reason=reason, early=True))
                raise
    finally:
        await microscope.close()
    return Recording(**counts)


def _id_of(observed: ObservedImage) -> str | None:
    return observed.image.facts.image_id if observed.image is not None else None


def _id(imaged: Imaged | None) -> str | None:
    return imaged.image.image_id if imaged is not None else None


def _kept(folder: Path, number: int, observed: ObservedImage) -> tuple[Imaged | None, str]:
    image = observed.image
    if image is None:
        return None, ""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", observed.name)[:80]
    try:
        kept = keep_image(folder, file_name(f"observed/{number:06d}_{name}"), image, 1)
    except (ImageError, AcquisitionFileError) as error:
        return Imaged(image=image.facts), str(error)
    return Imaged(image=image.facts, kept=kept), ""


def _entry(clock: Clock, observed: ObservedImage, imaged: Imaged | None) -> ImageObserved:
    return ImageObserved(
        at=clock.now(),
        level=observed.level,
        name=observed.name,
        parent=observed.parent,
        source=str(observed.source),
        imaged=imaged,
    )


__all__ = ["Recording", "record"]
