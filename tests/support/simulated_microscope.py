"""Simulated microscopes for tests, and places on their grids where there is something to see."""

import math

from structloop.instruments.clock import Clock
from structloop.instruments.microscope import (
    Autoloader,
    Camera,
    Focus,
    ImageShifting,
    Maintenance,
    Microscope,
    Optics,
    Stage,
    Vacuum,
)
from structloop.instruments.simulated import FaultPlan, SimulatedMicroscope, SimulatedOptions
from structloop.instruments.simulated.truth import Truth
from structloop.simulation.grids import Cassette, HoleState, SceneHole, SquareState


class Scope:
    """A simulated microscope whose parts are there for certain, and its truth."""

    def __init__(self, microscope: SimulatedMicroscope) -> None:
        parts = microscope.parts
        assert isinstance(parts.stage, Stage)
        assert isinstance(parts.autoloader, Autoloader)
        assert isinstance(parts.optics, Optics)
        assert isinstance(parts.image_shift, ImageShifting)
        assert isinstance(parts.camera, Camera)
        assert isinstance(parts.focus, Focus)
        assert isinstance(parts.vacuum, Vacuum)
        assert isinstance(parts.maintenance, Maintenance)
        self.microscope = microscope
        self.stage: Stage = parts.stage
        self.autoloader: Autoloader = parts.autoloader
        self.optics: Optics = parts.optics
        self.image_shift: ImageShifting = parts.image_shift
        self.camera: Camera = parts.camera
        self.focus: Focus = parts.focus
        self.vacuum: Vacuum = parts.vacuum
        self.maintenance: Maintenance = parts.maintenance
        self.truth = Truth(microscope)

    @property
    def clock(self) -> Clock:
        """Its time."""
        return self.microscope.clock

    async def begin(self, slot: int | None = 1) -> None:
        """Connect, load a grid, open the valves, let the beam through."""
        await self.microscope.connect()
        if slot is not None:
            await self.autoloader.load(slot)
        await self.vacuum.set_valves(True)
        await self.optics.set_beam(True)

    async def go_to(self, hole: SceneHole) -> None:
        """Bring the stage to a hole, as exactly as it goes."""
        x_um, y_um = self.truth.stage_for(hole.x_um, hole.y_um)
        await self.stage.move(x_um=x_um, y_um=y_um)


def scope(
    seed: int = 3,
    *,
    camera: int = 512,
    model: bool = True,
    flaws: bool = True,
    faults: FaultPlan | None = None,
    grids: int = 2,
    clock: Clock | None = None,
) -> Scope:
    """A small and fast one."""
    options = SimulatedOptions(seed=seed, camera_px=camera, measure="model" if model else "images", flaws=flaws)
    return Scope(SimulatedMicroscope(Cassette.from_seed(seed, grids), clock, faults, options))


def good_hole(cassette: Cassette, slot: int = 1) -> SceneHole:
    """An intact hole with ice, in the middle of an intact square near the middle of the grid (where its mark is)."""
    grid = cassette.grid(slot)
    squares = [
        square
        for square in grid.squares()
        if square.state == SquareState.INTACT and max(abs(square.column), abs(square.row)) > 1
    ]
    for square in sorted(squares, key=lambda square: math.hypot(square.x_um, square.y_um)):
        holes = [hole for hole in square.holes() if hole.state == HoleState.INTACT and hole.ice_nm > 15]
        if holes:
            return min(holes, key=lambda hole: math.hypot(hole.x_um - square.x_um, hole.y_um - square.y_um))
    raise AssertionError("no grid without a single good hole was expected here")


async def look_at_a_hole(microscope: Microscope) -> None:
    """Bring a simulated microscope's stage to a good hole of the grid that is loaded."""
    assert isinstance(microscope, SimulatedMicroscope)
    own = Scope(microscope)
    slot = (await microscope.state()).slot
    assert slot is not None
    await own.go_to(good_hole(own.truth.cassette, slot))


async def look_at_film(microscope: Microscope) -> None:
    """Bring a simulated microscope's stage to the film between a good hole and its neighbours."""
    assert isinstance(microscope, SimulatedMicroscope)
    own = Scope(microscope)
    slot = (await microscope.state()).slot
    assert slot is not None
    hole = good_hole(own.truth.cassette, slot)
    square = next(each for each in own.truth.cassette.grid(slot).squares() if hole in each.holes())
    across = next(each for each in square.holes() if (each.k - hole.k, each.m - hole.m) in {(1, 1), (-1, -1)})
    x_um, y_um = own.truth.stage_for((hole.x_um + across.x_um) / 2, (hole.y_um + across.y_um) / 2)
    await own.stage.move(x_um=x_um, y_um=y_um)
