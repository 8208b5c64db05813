"""One picture from a microscope, taken as safely as a session would, and written to a file people can open."""

from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import NotCapableError, PictureFileError
from structloop.instruments.images import Keep
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import Microscope, Pixels
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    Acquire,
    Action,
    ImageFacts,
    LoadGrid,
    MicroscopeDescription,
    MicroscopeState,
    MoveStage,
    SetBeam,
    SetDefocus,
    SetValves,
)

ENDINGS = (".mrc", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
# Of the grey values, what is shown black and white at the ends.
_CUT_PERCENT = 0.5


@dataclass(frozen=True, slots=True)
class SnapshotOrder:
    """What is wanted. What is None stays as it is; without a preset, the microscope's first one is used.

    Attributes:
        binning: Pixels averaged per axis before the picture is written.
    """

    preset: str | None = None
    x_um: float | None = None
    y_um: float | None = None
    slot: int | None = None
    defocus_um: float | None = None
    binning: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture that was taken: its facts, and its pixels, binned as they were ordered."""

    facts: ImageFacts
    pixels: Pixels
    binning: int


async def take_snapshot(microscope: Microscope, order: SnapshotOrder, folder: Path) -> Snapshot:
    """Takes one picture; the beam is off afterwards, and valves that were closed are closed again.

    Args:
        folder: Empty; for the journal.

    Raises:
        NotCapableError: the microscope cannot do it, or has no such preset; nothing moved.
        InterlockError: the place is out of reach; nothing moved.
        ActionSkippedError, SafeStopError: something failed at the microscope.
    """
    with Journal.open(folder) as journal:
        async with Runner(microscope, journal, keep=Keep(default=None)) as runner:
            description = microscope.description
            preset = order.preset or (description.presets[0].name if description.presets else None)
            if preset is None:
                raise NotCapableError(f"{description.name} has no presets to take a picture with")
            state = await microscope.state()
            before, after = _steps(order, description, state)
            runner.require([*before, Acquire(preset=preset), *after])
            for number, action in enumerate(before, start=1):
                await runner.run(f"before{number}", action)
            await runner.run("picture", Acquire(preset=preset))
            image = await runner.image("picture")
            pixels = image.pixels(order.binning)
            for number, action in enumerate(after, start=1):
                await runner.run(f"after{number}", action)
    return Snapshot(image.facts, pixels, order.binning)


def _steps(
    order: SnapshotOrder, description: MicroscopeDescription, state: MicroscopeState
) -> tuple[list[Action], list[Action]]:
    """What is done before and after the picture."""
    before: list[Action] = []
    after: list[Action] = []
    # Nobody minds which of the simulated grids is loaded; a real one is loaded only when asked for.
    slot = order.slot or (1 if description.simulated and state.slot is None else None)
    if slot is not None and slot != state.slot and (order.slot or "load-grid" in description.operations):
        before.append(LoadGrid(slot=slot))
    if "set-valves" in description.operations and not state.valves_open:
        before.append(SetValves(open=True))
        after.append(SetValves(open=False))
    if "set-beam" in description.operations:
        before.append(SetBeam(on=True))
    if (order.x_um, order.y_um) != (None, None):
        before.append(MoveStage(x_um=order.x_um, y_um=order.y_um))
    if order.defocus_um is not None:
        before.append(SetDefocus(defocus_um=order.defocus_um))
    return before, after


def check_ending(path: Path) -> None:
    """Makes sure, before a picture is taken, that it can be written to that file.

    Raises:
        PictureFileError: its ending is none that is known, or its folder is not there.
    """
    if path.suffix.lower() not in ENDINGS:
        raise PictureFileError(f"{path}: a picture is written as {', '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise PictureFileError(f"{path}: the folder {path.parent} does not exist; make it first")


def write_picture(taken: Snapshot, path: Path) -> None:
    """Writes a picture; MRC has the numbers, the others a stretched contrast.

    Raises:
        PictureFileError: it cannot be written.
    """
    check_ending(path)
    try:
        if path.suffix.lower() == ".mrc":
            _write_mrc(taken, path)
        else:
            Image.fromarray(stretched(taken.pixels)).save(path)
    except OSError as error:
        raise PictureFileError(f"{path} cannot be written: {error.strerror or error}") from error


def _write_mrc(taken: Snapshot, path: Path) -> None:
    pixels, stage = taken.pixels, taken.facts.stage
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels.astype(np.uint16) if pixels.dtype == np.uint8 else pixels)
        file.voxel_size = taken.facts.pixel_size_angstrom * taken.binning
        file.add_label(
            f"stage um x {stage.x_um:.4f} y {stage.y_um:.4f} z {stage.z_um:.4f} tilt deg {stage.tilt_deg:.3f}"
        )


def stretched(pixels: Pixels) -> NDArray[np.uint8]:
    """Grey values 0 to 255, the darkest and brightest half per cent cut off; same shape."""
    low, high = np.percentile(pixels, [_CUT_PERCENT, 100 - _CUT_PERCENT])
    scaled = (pixels.astype(np.float32) - low) / max(float(high - low), 1e-6)
    grey: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return grey


__all__ = ["ENDINGS", "Snapshot", "SnapshotOrder", "check_ending", "stretched", "take_snapshot", "write_picture"]
