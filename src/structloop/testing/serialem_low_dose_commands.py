"""Commands of the fake SerialEM for magnification, low-dose areas, imaging states and camera parameter sets."""

from structloop.schema.acquisition import Preset
from structloop.testing.serialem_program import (
    AREAS,
    PRESETS_OF,
    Argument,
    CommandError,
    FakeSerialEM,
    Returned,
    command,
    number,
)

LOW_MAG = 2000
FRAME_FLAGS = ("fractionation", "save", "align", "alignment use", "sum")
"""What `SetDoseFracParams` sets, in its order, which is that of `ReportDoseFracParams`, too."""


def kept(sem: FakeSerialEM, name: str, default: float) -> float:
    """A value that was set, or the default."""
    return float(sem.settings.get(name, default))


def of_set(letter: Argument, what: str) -> str:
    """Under which name a value of a camera parameter set is kept; Record's where none is named."""
    return f"set {str(letter or 'R')[:1].upper()} {what}"


async def current(sem: FakeSerialEM) -> Preset:
    """What the microscope is set to."""
    name = (await sem.state()).preset or sem.preset
    preset = sem.microscope.description.preset(name) if name else None
    return preset or sem.preset_of("R")


def magnifications(sem: FakeSerialEM) -> list[float]:
    """What there are; their index counts from 1."""
    return sorted({known.magnification for known in sem.microscope.description.presets})


async def at_index(sem: FakeSerialEM, index: Argument) -> Preset:
    """A preset of the magnification that a command names by its index; what the microscope is set to for 0."""
    if not index:
        return await current(sem)
    known, at = magnifications(sem), int(number(index))
    if not 1 <= at <= len(known):
        raise CommandError(f"There is no magnification with index {at}; there are 1 to {len(known)}")
    return next(preset for preset in sem.microscope.description.presets if preset.magnification == known[at - 1])


@command("ReportMag")
async def _mag(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    preset = await current(sem)
    return preset.magnification, int(preset.magnification < LOW_MAG), 0


@command("ReportMagIndex")
async def _mag_index(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    preset = await current(sem)
    return magnifications(sem).index(preset.magnification) + 1, int(preset.magnification < LOW_MAG)


@command("SetMag")
async def _set_mag(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    presets = sem.microscope.description.presets
    wanted = number(given[0])
    await sem.apply(min(presets, key=lambda preset: abs(preset.magnification - wanted)))
    return None


@command("SetMagIndex")
async def _set_mag_index(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if not given[0]:
        raise CommandError("There is no magnification with index 0")
    return await _set_mag(sem, [(await at_index(sem, given[0])).magnification, None])


@command("SetLowDoseMode")
async def _low_dose_mode(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    before, sem.low_dose = sem.low_dose, bool(given[0])
    return int(before)


@command("ReportLowDose")
async def _low_dose(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    area = -1
    if sem.low_dose:
        name = (await sem.state()).preset
        letters = sorted(AREAS, key=lambda letter: letter != sem.area)
        area = next((AREAS.index(letter) for letter in letters if name in _names(sem, letter)), -1)
    return int(sem.low_dose), area


def _names(sem: FakeSerialEM, letter: str) -> tuple[str, ...]:
    try:
        return (sem.preset_of_area(letter).name, *PRESETS_OF[letter])
    except CommandError:
        return ()


@command("GoToLowDoseArea")
async def _go_to_area(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    letter = str(given[0])[:1].upper()
    if letter not in AREAS:
        raise CommandError(f"{given[0]} is not a low dose area: one of V F T R S")
    if not sem.low_dose:
        raise CommandError("Low dose mode must be on to go to a low dose area")
    if sem.screen_down:
        raise CommandError("The screen must be up to go to a low dose area")
    await sem.apply(sem.preset_of(letter))
    sem.area = letter
    return None


@command("ImagingStateProperties")
async def _state_properties(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    names = [name.lower() for name in sem.states]
    wanted = str(given[0])
    if wanted.isdigit():
        if not 1 <= int(wanted) <= len(names):
            return 3
        index = int(wanted) - 1
    elif wanted.lower() in names:
        index = names.index(wanted.lower())
    else:
        return 1
    return 0, index + 1, -1, 1, 0, sem.states[index]


@command("GoToImagingState")
async def _go_to_state(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    found = await _state_properties(sem, given)
    if not isinstance(found, tuple):
        return found
    preset = sem.microscope.description.preset(str(found[5]))
    assert preset is not None
    sem.low_dose = False
    await sem.apply(preset)
    return 0


def camera_set(sem: FakeSerialEM, letter: Argument) -> Preset:
    """The preset behind a camera parameter set that a command names; Record's where it names none."""
    name = str(letter or "R")[:1].upper()
    if name == "M":
        name = "R"
    if name not in PRESETS_OF:
        raise CommandError(f"{letter} is not a camera parameter set: one of V F T R P S")
    return sem.preset_of(name)


@command("ReportCurrentPixelSize")
async def _pixel_size(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return camera_set(sem, given[0]).pixel_size_angstrom / 10


@command("ReportLDDefocusOffset")
async def _defocus_offset(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    letter = str(given[0])[:1].upper()
    return -camera_set(sem, letter).defocus_um if letter in "VS" else 0


@command("ReportDoseFracParams")
async def _frames(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    preset = camera_set(sem, given[0])
    usual = (int(preset.frames > 1), 0, 0, 0, 0)
    flags = [kept(sem, of_set(given[0], what), value) for what, value in zip(FRAME_FLAGS, usual, strict=True)]
    frame_s = kept(sem, of_set(given[0], "frame time"), preset.exposure_s / preset.frames)
    return *flags, frame_s


@command("SetDoseFracParams")
async def _set_frames(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """What is left out, or below zero, stays as it is; only that frames are saved changes anything."""
    camera_set(sem, given[0])
    for what, value in zip(FRAME_FLAGS, given[1:], strict=True):
        if value is not None and number(value) >= 0:
            sem.settings[of_set(given[0], what)] = number(value)
    return None


@command("SetFrameTime")
async def _frame_time(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    preset = camera_set(sem, given[0])
    frame_s = min(max(number(given[1]), 0.001), preset.exposure_s)
    sem.settings[of_set(given[0], "frame time")] = frame_s
    return round(preset.exposure_s / frame_s), frame_s, preset.exposure_s


@command("CameraProperties")
async def _camera(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    preset = await current(sem)
    return preset.width_px, preset.height_px, 0, 5.0, preset.pixel_size_angstrom * 1e-4, 1


@command("ReportCameraName")
async def _camera_name(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return f"{sem.microscope.description.name} camera"


@command("ReportAxisPosition")
async def _axis_position(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    letter = str(given[0])[:1].upper()
    if letter not in "FT":
        raise CommandError(f"{given[0]} must be F or T")
    return float(sem.settings.get(f"axis {letter}", 2.0)), 0.0, 0.0, 0.0


@command("SetAxisPosition")
async def _set_axis_position(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    letter = str(given[0])[:1].upper()
    if letter not in "FT":
        raise CommandError(f"{given[0]} must be F or T")
    sem.settings[f"axis {letter}"] = number(given[1])
    return None
