"""EPU as a microscope that is observed: the images of a session, finished or live; pixels are read when asked for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from structloop.core.errors import InstrumentConnectionError
from structloop.instruments.epu.contents import Junk
from structloop.instruments.epu.following import follow_session
from structloop.instruments.epu.pictures import read_pixels
from structloop.instruments.epu.placing import PlacedImage, Placing
from structloop.instruments.epu.scanning import scan
from structloop.instruments.epu.sessions import read_seen
from structloop.instruments.microscope import ObservedImage, TakenImage
from structloop.schema.acquisition import ImageFacts
from structloop.schema.grids import ImageLevel, ImageRecord

_LEVELS: dict[ImageLevel, Literal["atlas", "square", "hole", "exposure", "other"]] = {
    ImageLevel.ATLAS: "atlas",
    ImageLevel.TILE: "atlas",
    ImageLevel.SQUARE: "square",
    ImageLevel.HOLE: "hole",
    ImageLevel.EXPOSURE: "exposure",
}
_PRESETS = {"exposure": "record"}


@dataclass(frozen=True, slots=True)
class Following:
    """How a live session is followed.

    Attributes:
        is_live: Go on after what is there already.
        settle_s, patience_s, poll, quiet_s: As `follow_session` has them.
    """

    is_live: bool = False
    settle_s: float = 2.0
    patience_s: float = 120.0
    poll: bool | None = None
    quiet_s: float | None = None


class EpuObservation:
    """The images of a session below a folder. `stop` ends the following of a live one."""

    def __init__(self, root: Path, following: Following) -> None:
        self._root = root
        self._following = following
        self._stop = asyncio.Event()
        self.latest: ImageFacts | None = None

    def stop(self) -> None:
        """End the following; what is left is still told."""
        self._stop.set()

    async def images(self) -> AsyncIterator[ObservedImage]:
        """The images in the order they were taken, each after what it lies in; see `Observation.images`."""
        if not self._following.is_live:
            for placed in await asyncio.to_thread(self._all):
                yield self._observed(placed)
            return
        updates = follow_session(
            self._root,
            stop=self._stop,
            settle_s=self._following.settle_s,
            patience_s=self._following.patience_s,
            poll=self._following.poll,
            quiet_s=self._following.quiet_s,
        )
        async for update in updates:
            for placed in update.images:
                yield self._observed(placed)

    def _all(self) -> list[PlacedImage]:
        placing = Placing()
        for seen in scan(self._root):
            name, contents = read_seen(self._root, seen)
            if not isinstance(contents, Junk):
                placing.put(name, contents)
        return placing.ready(final=True)

    def _observed(self, placed: PlacedImage) -> ObservedImage:
        image = placed.image
        level = _LEVELS.get(image.level, "other")
        facts = facts_of(image, _PRESETS.get(level, level))
        taken = None
        if facts is not None and image.picture_path is not None:
            taken = TakenImage(facts, partial(read_pixels, self._root / image.picture_path))
        if facts is not None:
            self.latest = facts
        source = image.metadata_path or image.picture_path or image.frames_path or ""
        return ObservedImage(level, placed.shows, placed.parent, taken, self._root / source)


def facts_of(image: ImageRecord, preset: str) -> ImageFacts | None:
    """The facts of an image's picture as it is stored, reduced or not; None where scale, place or time are missing.

    Where only the matrix is missing (versions differ), the picture is taken as unrotated, y against the stage's.
    """
    width, height, reduction = image.picture_width_px, image.picture_height_px, image.reduction
    pixel_size = image.picture_pixel_size_angstrom
    if width is None or height is None or reduction is None or pixel_size is None:
        return None
    if image.stage is None or image.taken_at is None:
        return None
    per_px = pixel_size * 1e-4
    matrix = image.image_to_stage_um
    if matrix is None:
        scaled = (per_px, 0.0), (0.0, -per_px)
    else:
        (a, b), (c, d) = matrix
        scaled = (a * reduction, b * reduction), (c * reduction, d * reduction)
    exposure_s, dose = image.exposure_s, image.dose_e_per_angstrom2
    return ImageFacts(
        image_id=image.key,
        preset=preset,
        width_px=width,
        height_px=height,
        pixel_size_angstrom=pixel_size,
        image_to_stage_um=scaled,
        stage=image.stage,
        defocus_um=image.defocus_um,
        exposure_s=exposure_s if exposure_s is not None and exposure_s > 0 else None,
        dose_e_per_angstrom2=dose if dose is not None and dose >= 0 else None,
        taken_at=image.taken_at,
        frames_path=image.frames_path,
    )


def check_folder(root: Path) -> None:
    """See that there is a folder to observe.

    Raises:
        InstrumentConnectionError: there is none, or it cannot be looked into.
    """
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise InstrumentConnectionError(
            f"{root} cannot be looked into: {error.strerror or error}; name a session's folder, as epu:///data/session"
        ) from error


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


__all__ = ["EpuObservation", "Following", "check_folder", "facts_of", "now"]
