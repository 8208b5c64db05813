"""Commands of the fake SerialEM for variables, settings, messages and the end of a script."""

from structloop.instruments.serialem import wire
from structloop.testing.serialem_program import (
    Argument,
    CommandError,
    ExitRequestedError,
    FakeSerialEM,
    Returned,
    command,
    number,
)

VERSION = 40200
MOST_VARIABLES = 1000
MOST_LINES = 1000


@command("Exit")
async def _exit(_: FakeSerialEM, given: list[Argument]) -> Returned:
    raise ExitRequestedError(wire.EXIT_QUIETLY_WORD if number(given[0]) else wire.EXIT_WORD)


@command("IsVersionAtLeast")
async def _version(_: FakeSerialEM, given: list[Argument]) -> Returned:
    return int(wire.leading_number(str(given[0])) <= VERSION)


@command("SetPersistentVar")
async def _set_variable(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    name = str(given[0])
    if not name or len(sem.variables) >= MOST_VARIABLES:
        raise CommandError(f"The variable '{name}' cannot be set")
    sem.variables[name.lower()] = str(given[1])
    return None


@command("GetVariable")
async def _get_variable(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    text = sem.variables.get(str(given[0]).lower())
    if text is None:
        raise CommandError(f"The variable {given[0]} is not defined")
    try:
        return float(text)
    except ValueError:
        return text


@command("IsVariableDefined")
async def _is_defined(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return 2 * int(str(given[0]).lower() in sem.variables)


@command("ClearPersistentVars")
async def _clear(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    sem.variables.clear()
    return None


@command("GetLowDoseAreaParams")
async def _area_parameters(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    preset = sem.preset_of_area(str(given[0])[:1].upper())
    sem.variables[str(given[1]).lower()] = f"{preset.magnification:g}"
    return None


@command("SetUserSetting")
async def _set_setting(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if len(sem.settings) >= MOST_VARIABLES:
        raise CommandError("There are too many settings")
    sem.settings[f"user {str(given[0]).lower()}"] = number(given[1])
    return None


@command("ReportUserSetting")
async def _setting(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return sem.settings.get(f"user {str(given[0]).lower()}", 0.0)


@command("Echo", "EchoBreakLines", "Show")
async def _echo(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.log = [*sem.log, str(given[0] or "")][-MOST_LINES:]
    return None


@command("Pause", "YesNoBox", "KeyBreak")
async def _ask(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return int(sem.ran[-1] != "KeyBreak")


@command("SetStatusLine")
async def _status_line(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0, 0
