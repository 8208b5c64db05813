"""Commands of the fake SerialEM for beam and camera sets: values that are kept and told, but change no image."""

from structloop.testing.serialem_low_dose_commands import camera_set, kept, of_set
from structloop.testing.serialem_program import Argument, CommandError, FakeSerialEM, Returned, command, number

SPOTS = range(1, 12)
PROBES = {"nano": 0, "micro": 1}
"""Words of `SetProbeMode`, and how `ReportProbeMode` tells them."""
READ_MODES = range(3)
_KEPT = "kept "
_AREAS = {"F": 1.0, "H": 0.5, "Q": 0.25}


# --- Beam ------------------------------------------------------------------------------------------------------------


@command("SetSpotSize")
async def _set_spot(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if given[0] not in SPOTS:
        raise CommandError(f"{given[0]} is not a spot size: {SPOTS[0]} to {SPOTS[-1]}")
    sem.settings["spot"] = number(given[0])
    return None


@command("ReportSpotSize")
async def _spot(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return kept(sem, "spot", 5)


@command("SetProbeMode")
async def _set_probe(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    mode = next((value for word, value in PROBES.items() if str(given[0]).lower() in (word, str(value))), None)
    if mode is None:
        raise CommandError(f"{given[0]} is not a probe mode: nano or micro")
    sem.settings["probe"] = mode
    return None


@command("ReportProbeMode")
async def _probe(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return kept(sem, "probe", 1)


@command("ReportScreenCurrent", "ReportFEGBeamCurrent", "IsFEGFlashingAdvised")
async def _one(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 1


@command("SetPercentC2", "IncPercentC2")
async def _set_percent(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    before = kept(sem, "percent C2", 45.0) if sem.ran[-1] == "IncPercentC2" else 1.0
    percent = before * number(given[0])
    if not 0 <= percent <= 100:
        raise CommandError(f"{percent:g} is not a setting of C2: 0 to 100 %")
    sem.settings["percent C2"] = percent
    return None


@command("ReportPercentC2")
async def _percent(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    percent = kept(sem, "percent C2", 45.0)
    return percent, percent / 100


@command("SetIlluminatedArea")
async def _set_area(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if number(given[0]) <= 0:
        raise CommandError("The illuminated area must be positive")
    sem.settings["illuminated area"] = number(given[0])
    return None


@command("ReportIlluminatedArea")
async def _area(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return kept(sem, "illuminated area", 75.0)


def _pair(sem: FakeSerialEM, name: str) -> tuple[float, float]:
    return kept(sem, f"{name} x", 0.0), kept(sem, f"{name} y", 0.0)


def _keep_pair(sem: FakeSerialEM, name: str, x: float, y: float) -> None:
    sem.settings |= {f"{name} x": x, f"{name} y": y}


@command("SetBeamShift", "MoveBeamByMicrons")
async def _set_beam_shift(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    x, y = _pair(sem, "beam shift") if sem.ran[-1] == "MoveBeamByMicrons" else (0.0, 0.0)
    _keep_pair(sem, "beam shift", x + number(given[0]), y + number(given[1]))
    return None


@command("ReportBeamShift")
async def _beam_shift(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return _pair(sem, "beam shift")


@command("SetBeamTilt")
async def _set_beam_tilt(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    _keep_pair(sem, "beam tilt", number(given[0]), number(given[1]))
    return None


@command("ReportBeamTilt")
async def _beam_tilt(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return _pair(sem, "beam tilt")


@command("SaveBeamTilt")
async def _save_beam_tilt(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    _keep_pair(sem, "saved tilt", *_pair(sem, "beam tilt"))
    return None


@command("RestoreBeamTilt")
async def _restore_beam_tilt(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if "saved tilt x" not in sem.settings:
        raise CommandError("There is no saved beam tilt to restore")
    _keep_pair(sem, "beam tilt", *_pair(sem, "saved tilt"))
    return None


# --- Camera sets -----------------------------------------------------------------------------------------------------


@command("SetExposure")
async def _set_exposure(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    if number(given[1]) <= 0 or number(given[2]) < 0:
        raise CommandError("An exposure time must be positive, and the drift settling not negative")
    sem.settings[of_set(given[0], "exposure")] = number(given[1])
    if given[2] is not None:
        sem.settings[of_set(given[0], "settling")] = number(given[2])
    return None


@command("ReportExposure")
async def _exposure(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    preset = camera_set(sem, given[0])
    return kept(sem, of_set(given[0], "exposure"), preset.exposure_s), kept(sem, of_set(given[0], "settling"), 0.0)


@command("SetBinning")
async def _set_binning(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    if not 0 < number(given[1]) <= 64:
        raise CommandError(f"{given[1]} is not a binning")
    sem.settings[of_set(given[0], "binning")] = number(given[1])
    return None


@command("ReportBinning")
async def _binning(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    return kept(sem, of_set(given[0], "binning"), 1)


@command("SetCameraArea")
async def _set_camera_area(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    share = _AREAS.get(str(given[1])[:1].upper())
    if share is None:
        raise CommandError(f"{given[1]} is not a camera area that is simulated: F, H or Q")
    sem.settings[of_set(given[0], "area")] = share
    return None


@command("ReportCameraSetArea")
async def _camera_area(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    preset = camera_set(sem, given[0])
    share = kept(sem, of_set(given[0], "area"), 1.0)
    width, height = round(preset.width_px * share), round(preset.height_px * share)
    left, top = (preset.width_px - width) // 2, (preset.height_px - height) // 2
    return width, height, left, left + width, top, top + height


@command("SetK2ReadMode")
async def _set_read_mode(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    if given[1] not in READ_MODES:
        raise CommandError(f"{given[1]} is not a read mode: 0 linear, 1 counting, 2 super-resolution")
    sem.settings[of_set(given[0], "read mode")] = number(given[1])
    return None


@command("ReportReadMode")
async def _read_mode(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    camera_set(sem, given[0])
    return kept(sem, of_set(given[0], "read mode"), 1)


@command("RestoreCameraSet")
async def _restore_set(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """Back to what was kept, or to what the set was at first."""
    start = "set " if given[0] is None else of_set(given[0], "")
    sem.settings = {name: value for name, value in sem.settings.items() if not name.startswith(start)}
    sem.settings |= {
        name.removeprefix(_KEPT): value for name, value in sem.settings.items() if name.startswith(_KEPT + start)
    }
    return None


@command("KeepCameraSetChanges")
async def _keep_set(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    start = "set " if given[0] is None else of_set(given[0], "")
    sem.settings |= {_KEPT + name: value for name, value in sem.settings.items() if name.startswith(start)}
    return None


@command("SelectCamera")
async def _select_camera(_: FakeSerialEM, given: list[Argument]) -> Returned:
    if given[0] != 1:
        raise CommandError(f"There is no camera {given[0]}; there is one")
    return None
