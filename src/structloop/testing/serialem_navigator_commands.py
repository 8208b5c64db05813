"""Commands of the fake SerialEM for the Navigator's table of places."""

from dataclasses import replace

from structloop.testing.serialem_buffer_commands import open_new_file, parts_of_path, stage_position
from structloop.testing.serialem_program import Argument, CommandError, FakeSerialEM, Place, Returned, command, number
from structloop.testing.serialem_stage_commands import move

MOST_PLACES = 10_000
MOST_FILES = 100


def _item(sem: FakeSerialEM, index: Argument) -> Place:
    at = int(number(index))
    # Numbers below zero count from the end.
    at = at + len(sem.places) + 1 if at < 0 else at
    if not 1 <= at <= len(sem.places):
        raise CommandError(f"There is no Navigator item {index}")
    return sem.places[at - 1]


def _told(sem: FakeSerialEM, place: Place) -> Returned:
    return sem.places.index(place) + 1, place.x_um, place.y_um, place.z_um, place.kind


def _add(sem: FakeSerialEM, place: Place) -> int:
    if len(sem.places) >= MOST_PLACES:
        raise CommandError("The Navigator is full")
    sem.navigator_open = True
    sem.places.append(place)
    sem.selected = len(sem.places)
    place.label = place.label or str(sem.selected)
    return sem.selected


@command("OpenNavigator")
async def _open(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if given[0]:
        return await _read(sem, given)
    sem.navigator_open = True
    return None


@command("CloseNavigator")
async def _close(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    sem.navigator_open, sem.navigator_file, sem.selected = False, "", 0
    sem.places.clear()
    return None


@command("ReportIfNavOpen")
async def _is_open(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return (2 if sem.navigator_file else 1) if sem.navigator_open else 0


@command("ReadNavFile")
async def _read(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    name = str(given[0])
    if name not in sem.navigator_files:
        raise CommandError(f"There is no Navigator file {name}: only those that were saved here can be read")
    sem.navigator_open, sem.navigator_file, sem.selected = True, name, 0
    sem.places = [replace(place) for place in sem.navigator_files[name]]
    return None


@command("SaveNavigator")
async def _save(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if not sem.navigator_open:
        raise CommandError("The Navigator is not open")
    sem.navigator_file = str(given[0] or sem.navigator_file or "nav.nav")
    if len(sem.navigator_files) >= MOST_FILES:
        raise CommandError("Too many Navigator files were saved")
    sem.navigator_files[sem.navigator_file] = [replace(place) for place in sem.places]
    return None


@command("ReportNavFile")
async def _report_file(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if not sem.navigator_file:
        raise CommandError("There is no Navigator file open")
    return parts_of_path(sem.navigator_file, bool(given[0]))


@command("AddStagePosAsNavPoint")
async def _add_stage(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return _add(sem, Place(number(given[0]), number(given[1]), number(given[2])))


@command("AddImagePosAsNavPoint")
async def _add_image(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    x, y = stage_position(sem, given[0], number(given[1]), number(given[2]))
    z = (await sem.stage()).z_um if given[3] is None else number(given[3])
    return _add(sem, Place(x, y, z))


@command("NewMap")
async def _map(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    held = sem.buffer("A")
    x, y = stage_position(sem, "A", held.size[0] / 2, held.size[1] / 2)
    return _add(sem, Place(x, y, (await sem.stage()).z_um, kind=2, note=str(given[1] or "")))


@command("ReportNavItem")
async def _selected(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return _told(sem, sem.places[sem.selected - 1]) if sem.selected else (-1, 0)


@command("ReportOtherItem", "LoadOtherMap")
async def _other(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return _told(sem, _item(sem, given[0]))


@command("SetSelectedNavItem")
async def _select(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.selected = sem.places.index(_item(sem, given[0])) + 1
    return None


@command("MoveToNavItem")
async def _move_to(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    place = _item(sem, sem.selected if given[0] is None else given[0])
    await move(sem, place.x_um, place.y_um, place.z_um)
    return None


@command("SetItemAcquire")
async def _acquire(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    place = _item(sem, sem.selected if given[0] is None else given[0])
    place.acquire = given[1] is None or bool(given[1])
    return int(place.acquire)


@command("ReportNumNavAcquire")
async def _acquired(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return (sum(place.acquire for place in sem.places), 0) if sem.navigator_open else (-1, -1)


@command("ReportIfNavAcquiring")
async def _acquiring(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0, 0


@command("NavIndexWithLabel", "NavIndexWithNote")
async def _find(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    by_label = sem.ran[-1] == "NavIndexWithLabel"
    wanted = str(given[0])
    found = (i for i, place in enumerate(sem.places, 1) if (place.label if by_label else place.note) == wanted)
    return next(found, 0)


@command("ChangeItemLabel")
async def _label(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    _item(sem, given[0]).label = str(given[1])
    return None


@command("ChangeItemNote")
async def _note(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    _item(sem, given[0]).note = str(given[1] or "")
    return None


@command("ChangeItemColor", "ChangeItemDraw")
async def _look(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """How an item is drawn, which nothing here draws; that there is one is checked."""
    _item(sem, given[0])
    return None


@command("DeleteNavigatorItem")
async def _delete(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.places.remove(_item(sem, given[0]))
    sem.selected = min(sem.selected, len(sem.places))
    return None


@command("ShiftItemsByMicrons")
async def _shift(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    for place in sem.places:
        place.x_um += number(given[0])
        place.y_um += number(given[1])
    return None


@command("UpdateItemZ")
async def _update_z(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    _item(sem, sem.selected if given[0] is None else given[0]).z_um = (await sem.stage()).z_um
    return None


@command("GetUniqueNavID")
async def _unique(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    sem.settings["unique"] = float(sem.settings.get("unique", 1000)) + 1
    return sem.settings["unique"]


@command("SetupPolygonMontage")
async def _polygon_montage(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    _item(sem, given[0])
    sem.montage = (3, 3)
    open_new_file(sem, given[2])
    return 0, 3, 3
