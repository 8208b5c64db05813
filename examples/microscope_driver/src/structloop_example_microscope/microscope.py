"""The microscope and its parts. Whoever runs it checks limits, keeps images and writes the journal."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import numpy as np
from skimage.registration import phase_cross_correlation

from structloop.core.errors import InstrumentConnectionError, NotCapableError
from structloop.instruments.microscope import Parts, Pixels, TakenImage
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    Aligned,
    Capability,
    ImageFacts,
    MicroscopeDescription,
    MicroscopeState,
    Preset,
    Range,
    StageLimits,
    StagePosition,
    Tier,
)
from structloop_example_microscope.slide import Slide

PRESETS = (
    Preset(name="overview", magnification=10, pixel_size_angstrom=10_000, width_px=128, height_px=96, exposure_s=0.1),
    Preset(name="detail", magnification=40, pixel_size_angstrom=2_500, width_px=128, height_px=96, exposure_s=0.1),
)
OVERLAP = 0.1
OFFERED = {Capability.STAGE, Capability.OPTICS, Capability.IMAGE_SHIFT, Capability.CAMERA}


class PictureMicroscope:
    """A microscope whose specimen is a picture.

    It is its own stage, optics, image shift and camera: what one of them sets, another needs. A driver of a larger
    microscope has a class for each.

    Args:
        name: For people.
        slide: Reads the slide; called on connecting.
    """

    def __init__(self, name: str, slide: Callable[[], Slide]) -> None:
        self._description = MicroscopeDescription(
            name=name,
            driver="picture",
            tier=Tier.COMMAND,
            operations=frozenset(kind for kind, capability in CAPABILITY_OF.items() if capability in OFFERED),
            presets=PRESETS,
            limits=StageLimits(
                x_um=Range(low=-500, high=500), y_um=Range(low=-500, high=500), tilt_deg=Range(low=0, high=0)
            ),
            largest_image_shift_um=20.0,
            simulated=True,
        )
        self._read_slide = slide
        self._slide: Slide | None = None
        self._numbers = itertools.count(1)
        self._stage = StagePosition(x_um=0.0, y_um=0.0)
        self._shift_um = (0.0, 0.0)
        self._preset = PRESETS[0]
        self._beam_on = True

    @property
    def description(self) -> MicroscopeDescription:
        """What it is and what it can do."""
        return self._description

    @property
    def parts(self) -> Parts:
        """What it can do it with."""
        return Parts(stage=self, optics=self, image_shift=self, camera=self)

    async def connect(self) -> None:
        """Read the slide, where that is not done yet."""
        if self._slide is None:
            self._slide = await asyncio.to_thread(self._read_slide)

    async def close(self) -> None:
        """Let go of the slide."""
        self._slide = None

    async def state(self) -> MicroscopeState:
        """One look at it."""
        self._connected()
        return MicroscopeState(
            at=datetime.now(UTC),
            stage=self._stage,
            preset=self._preset.name,
            image_shift_um=self._shift_um,
            beam_on=self._beam_on,
        )

    async def abort(self) -> None:
        """Everything is done at once here, so nothing is ever going on."""

    # --- Stage -----------------------------------------------------------------------------------------------------

    async def position(self) -> StagePosition:
        """Where the stage is."""
        self._connected()
        return self._stage

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        """Move the axes that are given."""
        self._connected()
        asked = {"x_um": x_um, "y_um": y_um, "z_um": z_um}
        given = {axis: value for axis, value in asked.items() if value is not None}
        if relative:
            given = {axis: value + getattr(self._stage, axis) for axis, value in given.items()}
        self._stage = self._stage.model_copy(update=given)
        return self._stage

    async def tilt(self, tilt_deg: float) -> StagePosition:
        """A slide lies flat: the limits of the description allow 0 only."""
        self._connected()
        self._stage = self._stage.model_copy(update={"tilt_deg": tilt_deg})
        return self._stage

    # --- Optics and image shift ------------------------------------------------------------------------------------

    async def apply_preset(self, preset: str) -> None:
        """Show more of the slide, or less."""
        self._connected()
        found = self._description.preset(preset)
        if found is None:
            known = ", ".join(item.name for item in PRESETS)
            raise NotCapableError(f"there is no preset '{preset}'; there are {known}")
        self._preset = found

    async def set_beam(self, on: bool) -> None:
        """Turn the lamp on or off."""
        self._connected()
        self._beam_on = on

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        """Look beside the stage position."""
        self._connected()
        self._shift_um = (dx_um, dy_um)

    # --- Camera ----------------------------------------------------------------------------------------------------

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        """Take an image: what it shows is settled now, its pixels are made when they are asked for."""
        if save_frames:
            raise NotCapableError("this camera has no frames; take the image without")
        if preset != self._preset.name:
            await self.apply_preset(preset)
        return self._take(self._stage)

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        """Take overlapping images around the present position, row by row, and go back."""
        await self.apply_preset(preset)
        middle, taken = self._stage, self._preset
        step_um = taken.pixel_size_angstrom * 1e-4 * (1 - OVERLAP)
        try:
            for row, column in itertools.product(range(rows), range(columns)):
                self._stage = middle.model_copy(
                    update={
                        "x_um": middle.x_um + (column - (columns - 1) / 2) * step_um * taken.width_px,
                        "y_um": middle.y_um + (row - (rows - 1) / 2) * step_um * taken.height_px,
                    }
                )
                yield self._take(self._stage, column, row)
        finally:
            self._stage = middle

    async def align_to(self, template: TakenImage) -> Aligned:
        """Shift the image until it shows what the template shows."""
        image = await self.acquire(template.facts.preset)
        seen, wanted = (shown.pixels() - shown.pixels().mean() for shown in (image, template))
        (dy_px, dx_px), _, _ = phase_cross_correlation(wanted, seen, upsample_factor=10, normalization=None)
        pixel_um = image.facts.pixel_size_angstrom * 1e-4
        # What the template shows lies at -(dx, dy) of the middle of the image.
        off_um = (-float(dx_px) * pixel_um, -float(dy_px) * pixel_um)
        self._shift_um = (self._shift_um[0] + off_um[0], self._shift_um[1] + off_um[1])
        return Aligned(dx_um=off_um[0], dy_um=off_um[1])

    def _take(self, stage: StagePosition, column: int | None = None, row: int | None = None) -> TakenImage:
        slide, preset, lit = self._connected(), self._preset, self._beam_on
        pixel_um = preset.pixel_size_angstrom * 1e-4
        facts = ImageFacts(
            image_id=f"picture-{next(self._numbers)}",
            preset=preset.name,
            width_px=preset.width_px,
            height_px=preset.height_px,
            pixel_size_angstrom=preset.pixel_size_angstrom,
            image_to_stage_um=((pixel_um, 0.0), (0.0, pixel_um)),
            stage=stage,
            image_shift_um=self._shift_um,
            exposure_s=preset.exposure_s,
            taken_at=datetime.now(UTC),
            column=column,
            row=row,
        )
        x_um, y_um = stage.x_um + facts.image_shift_um[0], stage.y_um + facts.image_shift_um[1]

        def read(binning: int) -> Pixels:
            grey = slide.view(x_um, y_um, preset.width_px, preset.height_px, pixel_um) * lit
            height, width = preset.height_px // binning, preset.width_px // binning
            blocks = grey[: height * binning, : width * binning].reshape(height, binning, width, binning)
            return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)

        return TakenImage(facts, read)

    def _connected(self) -> Slide:
        if self._slide is None:
            raise InstrumentConnectionError("the microscope is not connected; call connect first")
        return self._slide


__all__ = ["PRESETS", "PictureMicroscope"]
