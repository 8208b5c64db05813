"""Commands of the fake SerialEM that move the stage or tell the time."""

from structloop.testing.serialem_program import (
    Argument,
    CommandError,
    FakeSerialEM,
    Returned,
    command,
    number,
)

_SECONDS = {"MSEC": 0.001, "MS": 0.001, "SEC": 1.0, "S": 1.0, "MIN": 60.0, "M": 60.0, "": 0.001}


@command("ReportStageXYZ")
async def _stage_xyz(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    position = await sem.stage()
    return position.x_um, position.y_um, position.z_um


@command("ReportTiltAngle")
async def _tilt(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return (await sem.stage()).tilt_deg


@command("ReportStageBusy", "IsPVPRunning")
async def _zero(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0


@command("ReportTiltAxisOffset")
async def _axis_offset(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0.0, 0.0, 0.0, 0.0, 0.0, 0


async def move(
    sem: FakeSerialEM, x_um: float | None, y_um: float | None, z_um: float | None, relative: bool = False
) -> None:
    """Move the stage within its limits."""
    stage = sem.microscope.parts.stage
    if stage is None:
        raise CommandError("There is no stage")
    now = await stage.position()
    limits = sem.microscope.description.limits
    asked = [(x_um, now.x_um, limits.x_um), (y_um, now.y_um, limits.y_um), (z_um, now.z_um, limits.z_um)]
    for value, at, allowed in asked:
        if value is not None and not allowed.holds(value + at * relative):
            raise CommandError(f"Stage position {value + at * relative:.2f} is outside the stage limits")
    await stage.move(x_um=x_um, y_um=y_um, z_um=z_um, relative=relative)


@command("MoveStage", "BackgroundMoveStage")
async def _move_by(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    x, y, z = given
    await move(sem, number(x), number(y), None if z is None else number(z), relative=True)
    return None


@command("MoveStageTo")
async def _move_to(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    x, y, z = given
    await move(sem, number(x), number(y), None if z is None else number(z))
    return None


@command("MoveStageWithSpeed", "TestRelaxingStage")
async def _move_with_speed(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await move(sem, number(given[0]), number(given[1]), None, relative=True)
    return None


async def _tilt_to(sem: FakeSerialEM, tilt_deg: float) -> None:
    if sem.microscope.parts.stage is None:
        raise CommandError("There is no stage")
    if not sem.microscope.description.limits.tilt_deg.holds(tilt_deg):
        raise CommandError(f"Tilt angle {tilt_deg:.2f} is outside the tilt limits")
    await sem.microscope.parts.stage.tilt(tilt_deg)


@command("TiltTo")
async def _tilt_command(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _tilt_to(sem, number(given[0]))
    return None


@command("TiltBy")
async def _tilt_by(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    await _tilt_to(sem, (await sem.stage()).tilt_deg + number(given[0]))
    return None


@command("TiltUp")
async def _tilt_up(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    await _tilt_to(sem, (await sem.stage()).tilt_deg + 1)
    return None


@command("TiltDown")
async def _tilt_down(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    await _tilt_to(sem, (await sem.stage()).tilt_deg - 1)
    return None


@command("Delay")
async def _delay(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    factor = _SECONDS.get(str(given[1] or "").upper())
    if factor is None:
        raise CommandError(f"{given[1]} is not a unit of time")
    await sem.clock.sleep(max(number(given[0]), 0.0) * factor)
    return None


@command("ReportTickTime", "ReportClock")
async def _ticks(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.clock.elapsed_s()
