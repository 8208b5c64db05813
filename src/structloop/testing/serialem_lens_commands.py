"""Commands of the fake SerialEM for focus, beam, and image shift with the matrices between its axes."""

import numpy as np
from numpy.typing import NDArray

from structloop.testing.serialem_low_dose_commands import at_index, current
from structloop.testing.serialem_program import (
    Argument,
    CommandError,
    FakeSerialEM,
    Returned,
    command,
    number,
)
from structloop.testing.serialem_stage_commands import move

FOCUS_AT_ZERO = 0.5
FOCUS_PER_UM = 1e-3


async def _defocus_now(sem: FakeSerialEM) -> float:
    return -((await sem.state()).defocus_um or 0.0)


@command("ReportDefocus")
async def _defocus(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return await _defocus_now(sem)


@command("ReportFocus", "ReportAbsoluteFocus")
async def _focus(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return FOCUS_AT_ZERO + FOCUS_PER_UM * await _defocus_now(sem)


async def _set_defocus_to(sem: FakeSerialEM, defocus_um: float) -> None:
    if sem.microscope.parts.focus is None:
        raise CommandError("There is no focus to set")
    await sem.microscope.parts.focus.set_defocus(-defocus_um)


@command("SetDefocus")
async def _set_defocus(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _set_defocus_to(sem, number(given[0]))
    return None


@command("ChangeFocus")
async def _change_focus(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _set_defocus_to(sem, await _defocus_now(sem) + number(given[0]))
    return None


@command("SetStandardFocus", "SetAbsoluteFocus")
async def _set_focus(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _set_defocus_to(sem, (number(given[0]) - FOCUS_AT_ZERO) / FOCUS_PER_UM)
    return None


@command("SetEucentricFocus")
async def _eucentric_focus(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    await _set_defocus_to(sem, 0.0)
    return 0


@command("SetTargetDefocus")
async def _set_target(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.target_defocus = number(given[0])
    return None


@command("ReportTargetDefocus")
async def _target(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.target_defocus


@command("ReportComaVsISmatrix")
async def _coma(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0.1, 0.0, 0.0, 0.1


@command("ScreenDown", "ScreenUp")
async def _screen(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    sem.screen_down = sem.ran[-1] == "ScreenDown"
    return None


@command("ReportScreen")
async def _screen_is(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return int(sem.screen_down)


@command("SetBeamBlank")
async def _blank(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.optics is None:
        raise CommandError("There is no beam to blank")
    await sem.microscope.parts.optics.set_beam(not given[0])
    return None


# --- Image shift -----------------------------------------------------------------------------------------------------


@command("ReportSpecimenShift")
async def _specimen_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    x, y = await sem.image_shift()
    return float(x), float(y)


@command("ReportImageShift")
async def _image_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    specimen = await sem.image_shift()
    in_is, stage = np.linalg.solve(sem.to_is, specimen), sem.to_specimen.T @ specimen
    camera = specimen / (1e-4 * (await current(sem)).pixel_size_angstrom)
    return [float(value) for value in (*in_is, *camera, *stage)]


async def _shift_by(sem: FakeSerialEM, by: NDArray[np.float64]) -> int:
    return await sem.set_image_shift(await sem.image_shift() + by)


@command("ImageShiftByMicrons")
async def _shift_by_microns(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return await _shift_by(sem, np.array([number(given[0]), number(given[1])]))


@command("ImageShiftByPixels")
async def _shift_by_pixels(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    pixel_um = 1e-4 * (await current(sem)).pixel_size_angstrom
    return await _shift_by(sem, pixel_um * np.array([number(given[0]), number(given[1])]))


@command("ImageShiftByUnits")
async def _shift_by_units(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return await _shift_by(sem, sem.to_is @ np.array([number(given[0]), number(given[1])]))


@command("ImageShiftByStageDiff")
async def _shift_by_stage(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _shift_by(sem, sem.to_specimen @ np.array([number(given[0]), number(given[1])]))
    return None


@command("SetImageShift")
async def _set_shift(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return await sem.set_image_shift(sem.to_is @ np.array([number(given[0]), number(given[1])]))


@command("ResetImageShift")
async def _reset_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    x, y = sem.to_specimen.T @ await sem.image_shift()
    await sem.set_image_shift(np.zeros(2))
    await move(sem, float(x), float(y), None, relative=True)
    return None


@command("ReportMaxImageShift")
async def _max_shift(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await at_index(sem, given[0])
    return sem.microscope.description.largest_image_shift_um or 0.0, 0.0


async def _matrix(sem: FakeSerialEM, name: str, index: Argument) -> NDArray[np.float64]:
    """From stage, camera or image-shift units to the specimen's axes, at a magnification; 0 is the present one."""
    preset = await at_index(sem, index)
    match name:
        case "Stage":
            return sem.to_specimen
        case "IS":
            return sem.to_is
        case "Camera":
            pixel_um = 1e-4 * preset.pixel_size_angstrom
            held = next((held for held in sem.buffers.values() if held.taken is not None), None)
            if held is None or held.taken is None:
                return pixel_um * np.array([[1.0, 0.0], [0.0, 1.0]])
            image = held.taken.facts
            turned = np.array(image.image_to_stage_um) * [1.0, -1.0] / (1e-4 * image.pixel_size_angstrom)
            return pixel_um * sem.to_specimen @ turned
        case _:
            return np.eye(2)


@command(
    *(
        f"{a}To{b}Matrix"
        for a, b in [
            ("Camera", "IS"),
            ("IS", "Camera"),
            ("Camera", "Stage"),
            ("Stage", "Camera"),
            ("Camera", "Specimen"),
            ("Specimen", "Camera"),
            ("IS", "Specimen"),
            ("Specimen", "IS"),
            ("IS", "Stage"),
            ("Stage", "IS"),
            ("Stage", "Specimen"),
            ("Specimen", "Stage"),
        ]
    )
)
async def _between(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    source, target = sem.ran[-1].removesuffix("Matrix").split("To")
    matrix = np.linalg.solve(await _matrix(sem, target, given[0]), await _matrix(sem, source, given[0]))
    return [float(value) for value in matrix.ravel()]
