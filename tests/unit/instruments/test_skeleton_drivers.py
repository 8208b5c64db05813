import asyncio
import math
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from structloop.core.errors import InstrumentConnectionError, InstrumentFaultError, NotCapableError
from structloop.instruments.drivers import Driver, microscope_drivers, open_microscope
from structloop.instruments.microscope import Microscope, Parts
from structloop.schema.acquisition import Capability, MicroscopeState, Tier

NAMES = ["leginon", "tem-scripting", "jadas", "latitude"]
ADDRESSES = ["leginon://?class=Krios", "tem-scripting://", "jadas://", "latitude://"]
MODULES = ["pyscope.registry", "comtypes.client", "PyJEM.TEM3", "DigitalMicrograph"]
PLACE = (12.5, -3.25, 40.0, 15.0)


class Recorder:
    """Says in which thread it was asked."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def here(self) -> None:
        self.threads.add(threading.get_ident())


def leginon(seen: Recorder) -> dict[str, object]:
    class Krios:
        def getStagePosition(self) -> dict[str, float]:  # noqa: N802  # pyscope's name
            seen.here()
            x, y, z, tilt = PLACE
            return {"x": x * 1e-6, "y": y * 1e-6, "z": z * 1e-6, "a": math.radians(tilt), "b": 0.0}

    return {"getClass": lambda name: {"Krios": Krios}.get(name)}


def tem_scripting(seen: Recorder) -> dict[str, object]:
    def create(name: str) -> object:
        seen.here()
        assert name == "TEMScripting.Instrument.1"
        x, y, z, tilt = PLACE
        position = SimpleNamespace(X=x * 1e-6, Y=y * 1e-6, Z=z * 1e-6, A=math.radians(tilt))
        return SimpleNamespace(Stage=SimpleNamespace(Position=position))

    return {"CreateObject": create}


def jadas(seen: Recorder) -> dict[str, object]:
    def position() -> list[float]:
        seen.here()
        x, y, z, tilt = PLACE
        return [x * 1e3, y * 1e3, z * 1e3, tilt, 0.0]

    return {"connect": seen.here, "Stage3": lambda: SimpleNamespace(GetPos=position)}


def latitude(seen: Recorder) -> dict[str, object]:
    def microscope() -> object:
        seen.here()
        names = ("GetStageX", "GetStageY", "GetStageZ", "GetStageAlpha")
        return SimpleNamespace(**{name: lambda value=value: value for name, value in zip(names, PLACE, strict=True)})

    return {"Py_Microscope": microscope}


LIBRARIES: list[Callable[[Recorder], dict[str, object]]] = [leginon, tem_scripting, jadas, latitude]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, object]], None]:
    """Puts a module of that name where it will be imported from."""

    def put(name: str, contents: dict[str, object]) -> None:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:count]))
            if count == len(parts):
                vars(module).update(contents)
            monkeypatch.setitem(sys.modules, module.__name__, module)

    return put


def look_at(microscope: Microscope) -> MicroscopeState:
    async def look() -> MicroscopeState:
        await microscope.connect()
        await microscope.connect()
        try:
            return await microscope.state()
        finally:
            await microscope.abort()
            await microscope.close()
            await microscope.close()

    return asyncio.run(look())


@pytest.mark.parametrize("name", NAMES)
def test_the_driver_is_installed_and_says_that_it_is_a_beginning(name: str) -> None:
    driver = microscope_drivers.get(name)
    assert isinstance(driver, Driver)
    assert (driver.name, driver.tier) == (name, Tier.COMMAND)
    assert "a beginning" in driver.summary
    assert Capability.STAGE in driver.capabilities


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_offered_that_never_ran_at_a_microscope(address: str) -> None:
    microscope = open_microscope(address)
    assert isinstance(microscope, Microscope)
    assert microscope.parts == Parts()
    assert microscope.description.operations == frozenset()


@pytest.mark.parametrize(("address", "module"), list(zip(ADDRESSES, MODULES, strict=True)))
def test_without_the_vendors_library_the_error_says_what_is_needed(
    address: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InstrumentConnectionError, match=r"cannot be reached from here.* needed"):
        asyncio.run(open_microscope(address).connect())


@pytest.mark.parametrize(
    ("address", "module", "library"), list(zip(ADDRESSES, MODULES, LIBRARIES, strict=True)), ids=NAMES
)
def test_with_the_library_the_stage_is_read_in_our_units_and_in_one_thread(
    address: str,
    module: str,
    library: Callable[[Recorder], dict[str, object]],
    vendor: Callable[[str, dict[str, object]], None],
) -> None:
    seen = Recorder()
    vendor(module, library(seen))
    stage = look_at(open_microscope(address)).stage
    assert stage is not None
    assert (stage.x_um, stage.y_um, stage.z_um, stage.tilt_deg) == pytest.approx(PLACE)
    assert len(seen.threads) == 1
    assert threading.get_ident() not in seen.threads


def test_a_microscope_that_does_not_answer_is_a_connection_error(
    vendor: Callable[[str, dict[str, object]], None],
) -> None:
    def refuse(name: str) -> object:
        raise OSError("class not registered")

    vendor("comtypes.client", {"CreateObject": refuse})
    with pytest.raises(InstrumentConnectionError, match="did not answer: class not registered"):
        look_at(open_microscope("tem-scripting://"))


def test_a_stage_that_cannot_be_read_is_a_fault(vendor: Callable[[str, dict[str, object]], None]) -> None:
    vendor("DigitalMicrograph", {"Py_Microscope": lambda: SimpleNamespace()})
    with pytest.raises(InstrumentFaultError, match="where its stage is"):
        look_at(open_microscope("latitude://"))


def test_the_state_of_a_microscope_that_is_not_connected_is_an_error() -> None:
    with pytest.raises(InstrumentConnectionError, match="call connect first"):
        asyncio.run(open_microscope("jadas://").state())


def test_leginon_needs_the_class_of_its_microscope(vendor: Callable[[str, dict[str, object]], None]) -> None:
    with pytest.raises(NotCapableError, match=r"needs the option .class..*leginon://\?class="):
        open_microscope("leginon://")
    vendor("pyscope.registry", leginon(Recorder()))
    with pytest.raises(InstrumentConnectionError, match="knows no class 'Glacios'"):
        look_at(open_microscope("leginon://?class=Glacios"))
