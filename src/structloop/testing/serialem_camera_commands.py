"""Commands of the fake SerialEM that take, keep and look at images."""

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import InstrumentTimeoutError
from structloop.instruments.microscope import Camera, Focus, TakenImage
from structloop.instruments.simulated.correlating import find_shift
from structloop.schema.acquisition import Fault
from structloop.testing.serialem_buffer_commands import open_new_file
from structloop.testing.serialem_low_dose_commands import kept, of_set
from structloop.testing.serialem_program import (
    Argument,
    CommandError,
    FakeSerialEM,
    Held,
    Returned,
    command,
    number,
)

CLEAR_CORRELATION = 0.5
LEAST_SIGNIFICANCE = 5.0


def _camera(sem: FakeSerialEM) -> Camera:
    if sem.microscope.parts.camera is None:
        raise CommandError("There is no camera")
    return sem.microscope.parts.camera


def _focus(sem: FakeSerialEM) -> Focus:
    if sem.microscope.parts.focus is None:
        raise CommandError("There is no autofocus")
    return sem.microscope.parts.focus


async def _shoot(sem: FakeSerialEM, letter: str) -> None:
    preset = sem.preset_of(letter)
    save = bool(kept(sem, of_set(letter, "save"), 0))
    taken = await _camera(sem).acquire(preset.name, save_frames=save)
    sem.preset = preset.name
    sem.area = "R" if letter == "P" else letter
    if save:
        sem.frames_saved = preset.frames
        sem.last_frames = taken.facts.frames_path
    sem.show(Held(taken, preset, letter))


@command("View", "Focus", "Trial", "Record", "Preview", "Search")
async def _shot(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    name = sem.ran[-1]
    await _shoot(sem, name[0])
    return None


@command("MultipleRecords")
async def _multiple(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    count = max(1, int(number(given[0], 1)) * max(1, int(number(given[1], 1))))
    for _ in range(count):
        await _shoot(sem, "R")
    return count


# --- Montage ---------------------------------------------------------------------------------------------------------


@command("OpenNewMontage")
async def _open_montage(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    columns, rows = int(number(given[0])), int(number(given[1]))
    if not 0 <= columns <= 200 or not 0 <= rows <= 200:
        raise CommandError("A montage has 1 to 200 pieces in each direction")
    if columns and rows:
        sem.montage = (columns, rows)
    open_new_file(sem, given[2])
    return None


@command("ParamSetToUseForMontage")
async def _montage_set(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.montage_set = {1: "R", 2: "V", 3: "S", 4: "P"}.get(int(number(given[0])), "R")
    return None


@command("Montage")
async def _montage(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    columns, rows = sem.montage
    if not columns:
        raise CommandError("There is no montage file open")
    preset = sem.preset_of(sem.montage_set)
    sem.pieces = []
    async for taken in _camera(sem).montage(preset.name, columns, rows):
        sem.pieces.append(taken)
    sem.preset = preset.name
    sem.show(Held(sem.pieces[-1], preset, sem.montage_set))
    return None


@command("ReportNumMontagePieces")
async def _number_of_pieces(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    columns, rows = sem.montage
    return max(columns * rows, 1)


def _piece(sem: FakeSerialEM, column: int, row: int) -> TakenImage:
    for taken in sem.pieces:
        if (taken.facts.column, taken.facts.row) == (column, row):
            return taken
    raise CommandError(f"There is no montage piece in column {column + 1}, {row + 1} from the top")


@command("ReadMontagePiece")
async def _read_piece(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    # Pieces count from 1, from the left and from the bottom.
    taken = _piece(sem, int(number(given[0])) - 1, sem.montage[1] - int(number(given[1])))
    preset = sem.microscope.description.preset(taken.facts.preset)
    held = Held(taken, preset, sem.montage_set)
    if given[3] is None:
        sem.show(held)
    else:
        sem.buffers[sem.index(given[3])] = held
    return None


@command("ReportMontagePiece")
async def _report_piece(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    index = int(number(given[0]))
    columns, rows = sem.montage
    if not 0 <= index < len(sem.pieces):
        raise CommandError(f"There is no montage piece {index}")
    facts = sem.pieces[index].facts
    column, row = facts.column or 0, facts.row or 0
    upward = rows - 1 - row
    return column * facts.width_px, upward * facts.height_px, column + 1, upward + 1, columns, rows


# --- Focus, height, drift, alignment ---------------------------------------------------------------------------------


@command("AutoFocus")
async def _autofocus(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    focused = await _focus(sem).autofocus(-sem.target_defocus)
    sem.autofocus = (-(focused.measured_um or 0.0), 0)
    return None


@command("ReportAutoFocus")
async def _report_autofocus(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.autofocus


@command("Eucentricity")
async def _eucentricity(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _focus(sem).eucentric_height("rough" if number(given[0], 1) == 1 else "fine")
    return None


@command("DriftWaitTask")
async def _drift_wait(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    unit = str(given[1] or "nm").lower()
    if unit not in ("a", "nm"):
        raise CommandError(f"{given[1]} is not a unit of drift: A or nm")
    rate = (number(given[0]) or 0.1) * (1 if unit == "a" else 10)
    limit_s = number(given[2]) or 120.0
    began = sem.clock.elapsed_s()
    try:
        drifting = await _focus(sem).wait_drift(rate, limit_s)
    except InstrumentTimeoutError as error:
        if error.fault != Fault.TIMEOUT or sem.clock.elapsed_s() - began < limit_s - 1e-6:
            raise
        sem.drift = (rate / 5, 1.0)
        if number(given[4]) > 0:
            raise CommandError("Stopping the wait for drift: it took longer than the maximum time") from error
        return None
    sem.drift = (drifting.rate_angstrom_per_s / 10, 0.0)
    return None


@command("GetWaitTaskDrift")
async def _drift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.drift


@command("ReportFocusDrift")
async def _focus_drift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.drift[0], 0.0


@command("AlignTo")
async def _align_to(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """Shift the image so that what comes next shows the place that the other buffer shows; no new image is taken."""
    template, current = sem.buffer(given[0]), sem.buffer("A")
    if current.taken is None:
        raise CommandError("The image in A was not taken here")
    first, second = (np.asarray(held.pixels(), np.float32) for held in (template, current))
    if first.shape != second.shape:
        raise CommandError("The images to align do not have the same size")
    binning = max(1, min(first.shape) // 512)
    shift = find_shift(_binned(first, binning), _binned(second, binning))
    if shift.correlation < CLEAR_CORRELATION and shift.significance < LEAST_SIGNIFICANCE:
        return 1
    off = binning * np.array(current.taken.facts.image_to_stage_um) @ np.array([shift.dx_px, shift.dy_px])
    by = sem.to_specimen @ off
    sem.aligned = (float(-by[0]), float(-by[1]))
    if not given[1]:
        return await sem.set_image_shift(await sem.image_shift() + by)
    return 0


def _binned(pixels: NDArray[np.float32], binning: int) -> NDArray[np.float32]:
    rows, columns = (length // binning for length in pixels.shape)
    blocks = pixels[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    return np.asarray(blocks.mean((1, 3)), np.float32)


@command("ReportAlignShift")
async def _align_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    x, y = (1000 * value for value in sem.aligned)
    pixel_nm = sem.buffer("A").pixel_nm or 1.0
    return x / pixel_nm, y / pixel_nm, x, y, x, y


@command("AutoAlign")
async def _auto_align(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """Align A to B."""
    return await _align_to(sem, ["B", None, *given])


@command("CenterBeamFromImage")
async def _centre_beam(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    sem.buffer("A")
    return 0


@command("ReportISforBufferShift")
async def _is_for_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return [float(value) for value in np.linalg.solve(sem.to_is, np.array(sem.aligned))]
