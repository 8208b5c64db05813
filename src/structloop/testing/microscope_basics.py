"""What every microscope must do, whatever its parts; and the ground that the other parts of the suite stand on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.core.errors import InstrumentError, NotCapableError
from structloop.instruments import microscope as protocols
from structloop.instruments.answers import check_driver, state_told
from structloop.instruments.drivers import microscope_drivers
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.instruments.performing import lacking, perform
from structloop.schema.acquisition import (
    ACTION,
    CAPABILITY_OF,
    Action,
    Capability,
    MicroscopeState,
    Preset,
    StagePosition,
    Tier,
)

Body = Callable[[Microscope], Awaitable[None]]

PROTOCOLS: dict[str, type] = {
    "stage": protocols.Stage,
    "autoloader": protocols.Autoloader,
    "optics": protocols.Optics,
    "image_shift": protocols.ImageShifting,
    "camera": protocols.Camera,
    "focus": protocols.Focus,
    "apertures": protocols.Apertures,
    "energy_filter": protocols.EnergyFilter,
    "vacuum": protocols.Vacuum,
    "maintenance": protocols.Maintenance,
    "observation": protocols.Observation,
    "advice": protocols.Advice,
}
# What an example of each kind of action needs.
_EXAMPLES: dict[str, dict[str, object]] = {
    "load-grid": {"slot": 1},
    "set-valves": {"open": False},
    "set-beam": {"on": False},
    "apply-preset": {"preset": "none"},
    "move-stage": {"x_um": 0.0},
    "tilt-stage": {"tilt_deg": 0.0},
    "shift-image": {"dx_um": 0.0, "dy_um": 0.0},
    "set-defocus": {"defocus_um": 0.0},
    "autofocus": {"target_um": 0.0},
    "wait-drift": {"rate_angstrom_per_s": 100.0},
    "acquire": {"preset": "none"},
    "acquire-montage": {"preset": "none", "columns": 1, "rows": 1},
    "align-to": {"image": "none"},
    "set-aperture": {"aperture": "objective"},
    "maintain": {"task": "none"},
}


class MicroscopeGround:
    """Subclass it through `MicroscopeTests` or `ObserverTests`.

    Attributes:
        patience_s: Seconds of the wall clock that one test may take at the microscope.
    """

    patience_s: ClassVar[float] = 50.0

    @pytest.fixture
    def microscope(self) -> Microscope:
        """The microscope under test, not connected; a new one for each test."""
        raise NotImplementedError("a subclass of MicroscopeTests gives the fixture `microscope`")

    async def prepare(self, microscope: Microscope) -> None:
        """Called once it is connected, before each test."""

    def at(self, microscope: Microscope, body: Body) -> None:
        """Connect, prepare, run a test's body, and let go."""

        async def scenario() -> None:
            async with asyncio.timeout(self.patience_s):
                await microscope.connect()
                try:
                    await self.prepare(microscope)
                    await body(microscope)
                finally:
                    await microscope.close()

        asyncio.run(scenario())

    def test_it_is_a_microscope_with_the_parts_it_declares(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            assert isinstance(scope, Microscope)
            check_driver(scope)
            parts, description = scope.parts, scope.description
            for name, protocol in PROTOCOLS.items():
                part = getattr(parts, name)
                assert part is None or isinstance(part, protocol), f"{name} does not fulfil {protocol.__name__}"
            unknown = description.operations - set(CAPABILITY_OF)
            assert not unknown, f"operations that do not exist: {sorted(unknown)}"
            offered = parts.capabilities() - {Capability.OBSERVATION, Capability.ADVICE}
            needed = {CAPABILITY_OF[kind] for kind in description.operations}
            assert offered == needed, f"parts offer {sorted(offered)}, operations need {sorted(needed)}"
            assert (description.tier is Tier.COMMAND) == bool(description.operations)
            if description.tier is Tier.OBSERVE:
                assert parts.observation is not None, "it observes without the part for it"
            if description.tier is Tier.ADVISE:
                assert parts.advice is not None, "it advises without the part for it"
            names = [preset.name for preset in description.presets]
            assert len(set(names)) == len(names), f"a preset stands twice: {names}"
            assert description.name
            if Capability.MAINTENANCE in offered:
                assert description.maintenance_tasks, "it maintains, and names no task"

        self.at(microscope, body)

    def test_its_driver_says_as_much_as_it_does(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            name = scope.description.driver
            if name not in microscope_drivers.names():
                pytest.skip(f"driver '{name}' is not installed as a plugin")
            driver = microscope_drivers.get(name)
            assert driver.name == name
            tiers = list(Tier)
            assert tiers.index(scope.description.tier) <= tiers.index(driver.tier), "it goes further than its driver"
            assert driver.summary
            more = scope.parts.capabilities() - driver.capabilities
            assert not more, f"parts that the driver does not promise: {sorted(more)}"

        self.at(microscope, body)

    def test_connecting_and_closing_twice_does_nothing_more(self, microscope: Microscope) -> None:
        async def scenario() -> None:
            async with asyncio.timeout(self.patience_s):
                await microscope.close()
                for _ in range(2):
                    await microscope.connect()
                    before = microscope.description
                    await microscope.connect()
                    assert microscope.description == before
                    await microscope.state()
                    await microscope.close()
                    await microscope.close()

        asyncio.run(scenario())

    def test_its_state_has_a_time_and_is_the_same_while_nothing_happens(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            first, second = await scope.state(), await scope.state()
            for state in (first, second):
                assert isinstance(state, MicroscopeState)
                assert state_told(state, scope.description) == state, "the runner would not believe it"
                assert state.at.utcoffset() == timedelta(0), "times are UTC"
            assert second.at >= first.at
            names = ("slot", "preset", "image_shift_um", "valves_open", "beam_on")
            assert [getattr(first, name) for name in names] == [getattr(second, name) for name in names]
            if scope.parts.stage is not None and first.stage is not None:
                assert apart(first.stage, await scope.parts.stage.position()) < 0.5

        self.at(microscope, body)

    def test_aborting_is_harmless_where_nothing_goes_on(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            before = await scope.state()
            await scope.abort()
            await scope.abort()
            after = await scope.state()
            assert (before.slot, before.preset, before.valves_open) == (after.slot, after.preset, after.valves_open)

        self.at(microscope, body)

    def test_what_it_does_not_declare_it_refuses(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            missing = [kind for kind in CAPABILITY_OF if kind not in scope.description.operations]
            if not missing:
                pytest.skip("it declares everything")
            for kind in missing:
                action = example(kind)
                assert lacking(scope, [action])
                if kind not in {"acquire-montage", "align-to"}:
                    with pytest.raises(NotCapableError):
                        await perform(scope, action)

        self.at(microscope, body)


def example(kind: str) -> Action:
    """An action of a kind, such as any microscope may be asked."""
    return ACTION.validate_python({"kind": kind, **_EXAMPLES.get(kind, {})})


def need(microscope: Microscope, *kinds: str) -> None:
    """Skip a test where the microscope does not declare what it needs."""
    missing = [kind for kind in kinds if kind not in microscope.description.operations]
    if missing:
        pytest.skip(f"it declares no {', '.join(missing)}")


async def ends_well_or_says_why(work: Awaitable[object]) -> None:
    """Await work that may fail, as long as it fails with an InstrumentError."""
    try:
        await work
    except InstrumentError:
        return


def apart(a: StagePosition, b: StagePosition) -> float:
    """Distance between two stage positions in x and y, micrometres."""
    return float(np.hypot(a.x_um - b.x_um, a.y_um - b.y_um))


def field_um(preset: Preset) -> float:
    """The shorter side of what a preset's images show, micrometres."""
    return min(preset.width_px, preset.height_px) * preset.pixel_size_angstrom * 1e-4


def centre_um(image: TakenImage) -> NDArray[np.float64]:
    """What an image's centre shows: stage and image shift, micrometres (x, y)."""
    facts = image.facts
    return np.array([facts.stage.x_um + facts.image_shift_um[0], facts.stage.y_um + facts.image_shift_um[1]])


def expected_displacement_px(first: TakenImage, second: TakenImage) -> NDArray[np.float64]:
    """By how many pixels (x, y) what both images show lies further in the second, as their facts say."""
    matrix = np.array(first.facts.image_to_stage_um)
    moved: NDArray[np.float64] = -np.linalg.solve(matrix, centre_um(second) - centre_um(first))
    return moved


__all__ = [
    "MicroscopeGround",
    "apart",
    "centre_um",
    "ends_well_or_says_why",
    "example",
    "expected_displacement_px",
    "field_um",
    "need",
]
