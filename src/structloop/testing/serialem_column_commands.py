"""Commands of the fake SerialEM for the autoloader, vacuum, apertures, energy filter and maintenance."""

from structloop.testing.serialem_program import (
    Argument,
    CommandError,
    FakeSerialEM,
    Returned,
    command,
    number,
)

_APERTURES = {1: "condenser", 2: "objective"}
LONG_OPERATIONS = {
    "Bu": "buffer-cycle",
    "Re": "fill-dewars",
    "In": "inventory",
    "Da": "dark-reference",
    "FF": "flash-gun",
}


@command("ReportSlotStatus")
async def _slot(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.autoloader is None:
        raise CommandError("There is no autoloader")
    slots = {slot.number: slot for slot in await sem.microscope.parts.autoloader.slots()}
    found = slots.get(int(number(given[0])))
    if found is None:
        raise CommandError(f"{given[0]} is not a slot number")
    status = -1 if found.occupied is None else int(found.occupied)
    match sem.slots_reply:
        case 1:
            return status
        case 6:
            return (found.number, 0, found.number, 0, 0.0, found.name or "grid") if status == 1 else -1
        case _:
            return (status, found.name or found.number) if status == 1 else status


@command("LoadCartridge")
async def _load(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.autoloader is None:
        raise CommandError("There is no autoloader")
    wanted = int(number(given[0]))
    if wanted < 1:
        raise CommandError(f"{wanted} is not a slot number")
    await sem.microscope.parts.autoloader.load(wanted)
    return None


@command("UnloadCartridge")
async def _unload(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if sem.microscope.parts.autoloader is None:
        raise CommandError("There is no autoloader")
    if (await sem.state()).slot is None:
        raise CommandError("There is no cartridge on the stage to unload")
    await sem.microscope.parts.autoloader.unload()
    return None


@command("ReportLoadedSlot")
async def _loaded(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return (await sem.state()).slot or 0, 0


@command("FindCartridgeWithID")
async def _find_cartridge(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """Cartridges are numbered as the slots that they belong to."""
    if sem.microscope.parts.autoloader is None:
        raise CommandError("There is no autoloader")
    occupied = (slot.number for slot in await sem.microscope.parts.autoloader.slots() if slot.occupied)
    return next((slot for slot in occupied if slot == given[0]), 0)


@command("SetColumnOrGunValve")
async def _valve(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.vacuum is None:
        raise CommandError("There are no valves")
    await sem.microscope.parts.vacuum.set_valves(bool(given[0]))
    return None


@command("ReportColumnOrGunValve")
async def _valve_is(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    is_open = (await sem.state()).valves_open
    return -1 if is_open is None else int(is_open)


@command("ReportVacuumStatus")
async def _vacuum(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return 2 if (await sem.state()).vacuum_ready is False else 0


@command("ReportVacuumGauge")
async def _gauge(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    ready = (await sem.state()).vacuum_ready is not False
    return (2, 1e-5) if ready else (3, 1e-2)


@command("AreDewarsFilling")
async def _filling(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return int((await sem.state()).dewars_filling is True)


@command("DewarsRemainingTime")
async def _remaining(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return -1


@command("SetSlitIn")
async def _slit_in(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    inserted = given[0] is None or bool(given[0])
    sem.settings["slit in"] = int(inserted)
    await _set_slit(sem)
    return None


@command("SetSlitWidth")
async def _slit_width(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if number(given[0]) <= 0:
        raise CommandError("The slit width must be positive")
    sem.settings["slit width"] = number(given[0])
    await _set_slit(sem)
    return None


async def _set_slit(sem: FakeSerialEM) -> None:
    if sem.microscope.parts.energy_filter is None:
        raise CommandError("There is no energy filter")
    width = float(sem.settings.get("slit width", 20.0))
    await sem.microscope.parts.energy_filter.set_slit(width if sem.settings.get("slit in") else None)


@command("SetEnergyLoss", "ChangeEnergyLoss")
async def _loss(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    before = float(sem.settings.get("loss", 0.0)) if sem.ran[-1] == "ChangeEnergyLoss" else 0.0
    sem.settings["loss"] = before + number(given[0])
    return None


@command("ReportEnergyFilter")
async def _filter(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if sem.microscope.parts.energy_filter is None:
        raise CommandError("There is no energy filter")
    width = (await sem.state()).slit_width_ev
    told = float(sem.settings.get("slit width", 20.0))
    return (told if width is None else width), float(sem.settings.get("loss", 0.0)), int(width is not None)


@command("RefineZLP")
async def _zero_loss(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if sem.microscope.parts.energy_filter is None:
        raise CommandError("There is no energy filter")
    await sem.microscope.parts.energy_filter.align_zero_loss()
    return None


def _aperture(given: Argument) -> str:
    name = _APERTURES.get(int(number(given)))
    if name is None:
        raise CommandError(f"{given} is not an aperture that is simulated: 1 condenser, 2 objective")
    return name


@command("SetApertureSize")
async def _set_aperture(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.apertures is None:
        raise CommandError("There are no apertures to set")
    name, size = _aperture(given[0]), number(given[1])
    await sem.microscope.parts.apertures.set_aperture(
        "condenser" if name == "condenser" else "objective", size if size > 0 else None
    )
    sem.settings |= {f"aperture {name}": size} | ({f"aperture {name} before": size} if size > 0 else {})
    return None


@command("RemoveAperture")
async def _remove_aperture(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return await _set_aperture(sem, [given[0], 0])


@command("ReInsertAperture")
async def _reinsert_aperture(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    before = float(sem.settings.get(f"aperture {_aperture(given[0])} before", 100.0))
    return await _set_aperture(sem, [given[0], before])


@command("ReportApertureSize")
async def _report_aperture(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if sem.microscope.parts.apertures is None:
        raise CommandError("There are no apertures")
    return float(sem.settings.get(f"aperture {_aperture(given[0])}", 100.0))


@command("GetApertureSizes")
async def _aperture_sizes(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.variables[str(given[1])] = "30\n50\n70\n100\n150"
    return 5


@command("LongOperation")
async def _long_operation(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    words = " ".join(str(word) for word in given if word is not None).split()
    known = sem.microscope.description.maintenance_tasks
    for word in words:
        task = LONG_OPERATIONS.get(word)
        if task in known and sem.microscope.parts.maintenance is not None:
            await sem.microscope.parts.maintenance.maintain(task)
    return None


@command("ReportLongOperations")
async def _long_operations(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0, -1, -1
