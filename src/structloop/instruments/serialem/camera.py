"""The part that takes images: shots, montages, alignment."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import InstrumentError, InstrumentFaultError
from structloop.instruments.microscope import Pixels, TakenImage
from structloop.instruments.serialem.places import MONTAGE_SETS, Place
from structloop.instruments.serialem.session import SHOT_S, Session
from structloop.schema.acquisition import Aligned, Fault, ImageFacts, Preset

TEMPLATE_BUFFER = "P"
"""Where the image to align to is put; new images roll through A and the few after it."""
PIECE_BUFFER = "O"


class SerialEMCamera:
    """Takes images with SerialEM's camera parameter sets and fetches them from its buffers.

    Pixels come over the socket when the image is taken: later ones push it out of its buffer.

    Args:
        session: The session.
        folder: Folder on SerialEM's machine that montages are saved in; its present one where this is empty.
    """

    def __init__(self, session: Session, folder: str = "") -> None:
        self._session = session
        self._folder = folder

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        """See `Camera.acquire`. An error after the shot says that it may have happened."""
        session = self._session
        place = session.place(preset)
        await session.ready_to_expose()
        await self._set_up(preset, place)
        await self._save_frames(place, save_frames)
        await self._shoot(preset, place)
        try:
            return await self._fetch(preset, "A", frames=save_frames)
        except InstrumentError as error:
            error.may_have_happened = True
            raise

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        """See `Camera.montage`. SerialEM takes the whole montage first; its pieces are read back from its file then."""
        session = self._session
        place = session.place(preset)
        await session.ready_to_expose()
        await self._set_up(preset, place)
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        name = f"{preset}-{session.token}-{session.taken:05d}-{stamp}.mrc"
        path = self._folder.rstrip("/\\") + "\\" + name if self._folder else name
        await session.run("ParamSetToUseForMontage", MONTAGE_SETS.get(place.letter, 1))
        await session.run("OpenNewMontage", columns, rows, path)
        try:
            await session.run("SetMontageParams", 1)
            limit_s = columns * rows * (SHOT_S + session.presets[preset].exposure_s)
            await session.run("Montage", timeout_s=limit_s, fault=Fault.CAMERA_TIMEOUT)
            for row in range(rows):
                for column in range(columns):
                    # SerialEM counts pieces from 1, from the left and from the bottom.
                    await session.run("ReadMontagePiece", column + 1, rows - row, 0, PIECE_BUFFER)
                    yield await self._fetch(preset, PIECE_BUFFER, column=column, row=row)
        except InstrumentError as error:
            error.may_have_happened = True
            raise
        await session.run("CloseFile")

    async def align_to(self, template: TakenImage) -> Aligned:
        """See `Camera.align_to`. What was off is read from how SerialEM moved the image shift.

        Raises:
            InstrumentFaultError: SerialEM could not align them.
        """
        session = self._session
        preset = template.facts.preset
        place = session.place(preset)
        pixels = np.asarray(template.pixels())
        await session.ready_to_expose()
        await self._set_up(preset, place)
        await self._shoot(preset, place)
        try:
            await session.client.put_image(pixels, TEMPLATE_BUFFER, base_buffer="A")
            before = await session.image_shift()
            code = await session.number("AlignTo", TEMPLATE_BUFFER)
            if code:
                raise InstrumentFaultError(
                    f"SerialEM could not align the image to {template.facts.image_id} (code {code:g}); is it the same "
                    "place, in the same preset?"
                )
            after = await session.image_shift()
        except InstrumentError as error:
            error.may_have_happened = True
            raise
        return Aligned(dx_um=before[0] - after[0], dy_um=before[1] - after[1])

    # --- Steps -------------------------------------------------------------------------------------------------------

    async def _set_up(self, preset: str, place: Place) -> None:
        session = self._session
        if session.preset != preset:
            await session.go_to(place)
            session.preset = preset
        elif not place.state:
            await session.low_dose_on()

    async def _save_frames(self, place: Place, save: bool) -> None:
        session = self._session
        if session.saving.get(place.letter, False) is not save:
            await session.run("SetDoseFracParams", place.letter, 1, int(save))
            session.saving[place.letter] = save

    async def _shoot(self, preset: str, place: Place) -> None:
        limit_s = SHOT_S + self._session.presets[preset].exposure_s
        await self._session.run(place.shot, timeout_s=limit_s, fault=Fault.CAMERA_TIMEOUT)

    async def _fetch(
        self, preset: str, buffer: str, *, frames: bool = False, column: int | None = None, row: int | None = None
    ) -> TakenImage:
        """The image in a buffer with all that SerialEM says of it."""
        session = self._session
        taken_at = datetime.now(UTC)
        properties = await session.numbers("ImageProperties", buffer, least=5)
        conditions = await session.asked("ImageConditions", buffer)
        pixels = (await session.client.image(buffer)).array()
        if pixels.ndim == 3:
            pixels = np.asarray(pixels.mean(axis=2), np.uint8)
        matrix, centre = await self._geometry(buffer, pixels, session.presets[preset])
        stage = await session.stage()
        shift = await session.image_shift()
        if column is not None and centre is not None:
            # A piece was taken where the stage no longer is.
            stage = stage.model_copy(update={"x_um": centre[0] - shift[0], "y_um": centre[1] - shift[1]})
        session.taken += 1
        facts = ImageFacts(
            image_id=f"{session.token}-{session.taken:06d}",
            preset=preset,
            width_px=pixels.shape[1],
            height_px=pixels.shape[0],
            pixel_size_angstrom=properties[4] * 10 or session.presets[preset].pixel_size_angstrom,
            image_to_stage_um=matrix,
            stage=stage,
            image_shift_um=shift,
            defocus_um=await session.defocus(),
            exposure_s=properties[3] if properties[3] > 0 else None,
            dose_e_per_angstrom2=conditions[0] if conditions and conditions[0] > 0 else None,
            taken_at=taken_at,
            frames_path=await self._frames() if frames else None,
            column=column,
            row=row,
        )
        return TakenImage(facts, lambda binning: binned(pixels, binning))

    async def _geometry(
        self, buffer: str, pixels: NDArray[Any], preset: Preset
    ) -> tuple[tuple[tuple[float, float], tuple[float, float]], tuple[float, float] | None]:
        """Micrometres on the stage per pixel, and where the image's centre is, from three places in the image.

        SerialEM's matrices count y upwards in some commands and downwards in others; its positions count as the pixels
        that it hands out do.
        """
        height, width = pixels.shape
        corners = [(width / 2, height / 2), (0.9 * width, height / 2), (width / 2, 0.9 * height)]
        told = [await self._session.asked("BufImagePosToStagePos", buffer, 1, x, y, least=2) for x, y in corners]
        if any(position is None for position in told):
            step = preset.pixel_size_angstrom * 1e-4
            return ((step, 0.0), (0.0, -step)), None
        centre, right, down = (position[:2] for position in told if position is not None)
        a, c = ((right[i] - centre[i]) / (0.4 * width) for i in (0, 1))
        b, d = ((down[i] - centre[i]) / (0.4 * height) for i in (0, 1))
        return ((a, b), (c, d)), (centre[0], centre[1])

    async def _frames(self) -> str | None:
        told = await self._session.run("ReportLastFrameFile")
        return told[0] if told and isinstance(told[0], str) else None


def binned(pixels: NDArray[Any], binning: int) -> Pixels:
    """Averages over blocks of `binning` x `binning` pixels; what does not fill a block is left out."""
    if binning == 1:
        return pixels
    rows, columns = pixels.shape[0] // binning, pixels.shape[1] // binning
    blocks = pixels[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    averaged: NDArray[np.float32] = blocks.mean((1, 3), dtype=np.float32)
    return averaged


__all__ = ["SerialEMCamera", "binned"]
