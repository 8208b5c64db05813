"""A made-up session: the simulated microscope looks at places that are chosen because it is known what is there.

This is no screening: nothing is found, everything is looked up, so that what is written has all its truth.
"""

import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from structloop.core.errors import SimulationError
from structloop.instruments.drivers import open_microscope
from structloop.instruments.microscope import Parts, TakenImage
from structloop.instruments.simulated import SimulatedMicroscope
from structloop.instruments.simulated.truth import Truth
from structloop.schema.acquisition import StagePosition
from structloop.simulation.grids import HoleState, SceneGrid, SceneHole, SceneSquare, SquareState

OnProgress = Callable[[int, int, str], None]
# Underfocus of exposures, by turns.
DEFOCUS_UM = (0.8, 1.2, 1.6, 2.0)
# Squares further out are at the rim of the atlas.
_FARTHEST_UM = 800.0


@dataclass(frozen=True, slots=True)
class SimulatedOrder:
    """How much is made up.

    Attributes:
        grids, squares, holes, exposures: Of the cassette; of each grid; of each square; of each hole.
        camera_px: Pixels along an edge of every image; the field of view stays.
        atlas: Tiles of the atlas, columns and rows.
        kinds: Of the grids, repeated as often as needed; carbon and gold by turns where there are none.
    """

    seed: int
    grids: int = 1
    squares: int = 2
    holes: int = 3
    exposures: int = 1
    camera_px: int = 1024
    atlas: tuple[int, int] = (5, 5)
    kinds: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """A number for ids: other orders have another one."""
        return zlib.crc32(repr(self).encode())

    def images(self) -> int:
        """How many are taken at most."""
        per_square = 1 + self.holes * (1 + self.exposures)
        return self.grids * (self.atlas[0] * self.atlas[1] + self.squares * per_square)


@dataclass(frozen=True, slots=True)
class TakenHole:
    """A hole that was exposed, and where the stage stood for it."""

    hole: SceneHole
    image: TakenImage
    exposures: tuple[TakenImage, ...]


@dataclass(frozen=True, slots=True)
class TakenSquare:
    """A square that was imaged.

    Attributes:
        holes: All that lie in it, each with its stage position; `taken` are those that were exposed, by their indices.
    """

    square: SceneSquare
    image: TakenImage
    holes: tuple[tuple[SceneHole, StagePosition], ...]
    taken: dict[tuple[int, int], TakenHole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TakenGrid:
    """A grid as the session saw it.

    Attributes:
        squares: All of it, each with its stage position, in order; `taken` are those that were imaged, by name.
    """

    order: SimulatedOrder
    slot: int
    grid: SceneGrid
    tiles: tuple[TakenImage, ...]
    squares: tuple[tuple[SceneSquare, StagePosition], ...]
    taken: dict[str, TakenSquare]
    truth: Truth


async def take_grids(
    order: SimulatedOrder, on_progress: OnProgress = lambda done, total, what: None
) -> AsyncIterator[TakenGrid]:
    """The grids of a made-up session, one after the other; pixels are rendered when they are asked for.

    Raises:
        SimulationError: a number is out of range, or there is no such kind of grid.
    """
    if min(order.squares, order.holes, order.exposures, *order.atlas) < 1:
        raise SimulationError("squares, holes, exposures and the atlas must be 1 or more")
    kinds = f"&kinds={','.join(order.kinds)}" if order.kinds else ""
    options = f"seed={order.seed}&grids={order.grids}&camera={order.camera_px}{kinds}"
    microscope = open_microscope(f"simulated://?{options}&flaws=none&measure=model")
    if not isinstance(microscope, SimulatedMicroscope):
        raise SimulationError("the driver 'simulated' is another one than structloop's own; uninstall that")
    truth = Truth(microscope)
    await microscope.connect()
    parts = microscope.parts
    counter = _Counter(order.images(), on_progress)
    try:
        for slot in truth.cassette.slots:
            yield await _take_grid(parts, truth, order, slot, counter)
    finally:
        await microscope.close()


class _Counter:
    def __init__(self, total: int, tell: OnProgress) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def took(self, what: str) -> None:
        self._done += 1
        self._tell(self._done, self._total, what)


async def _take_grid(parts: Parts, truth: Truth, order: SimulatedOrder, slot: int, counter: _Counter) -> TakenGrid:
    if parts.autoloader is None or parts.vacuum is None or parts.optics is None or parts.camera is None:
        raise SimulationError("the simulated microscope lacks a part; this is a fault of structloop")
    await parts.autoloader.load(slot)
    await parts.vacuum.set_valves(True)
    await parts.optics.set_beam(True)
    grid = truth.cassette.grid(slot)
    x_um, y_um = truth.stage_for(*grid.centre_um)
    await _go(parts, x_um, y_um)
    tiles = []
    async for tile in parts.camera.montage("atlas", *order.atlas):
        tiles.append(tile)
        counter.took("atlas")
    squares = tuple((square, _stage(truth, square.x_um, square.y_um)) for square in grid.squares())
    taken: dict[str, TakenSquare] = {}
    for square in _best_squares(grid, order.squares):
        taken[square.name] = await _take_square(parts, truth, order, square, counter)
    return TakenGrid(order, slot, grid, tuple(tiles), squares, taken, truth)


async def _take_square(
    parts: Parts, truth: Truth, order: SimulatedOrder, square: SceneSquare, counter: _Counter
) -> TakenSquare:
    at = _stage(truth, square.x_um, square.y_um)
    await _go(parts, at.x_um, at.y_um)
    if parts.focus is not None:
        await parts.focus.eucentric_height("fine")
    image = await _acquire(parts, "square")
    counter.took("squares")
    holes = tuple((hole, _stage(truth, hole.x_um, hole.y_um)) for hole in square.holes())
    taken: dict[tuple[int, int], TakenHole] = {}
    for hole in _spread(square, order.holes):
        place = _stage(truth, hole.x_um, hole.y_um)
        await _go(parts, place.x_um, place.y_um)
        of_hole = await _acquire(parts, "hole")
        counter.took("holes")
        exposures = []
        for number in range(order.exposures):
            # Beside each other along the hole's diameter, well within it.
            offset_um = 0.0 if order.exposures == 1 else (number / (order.exposures - 1) - 0.5) * 0.6 * hole.diameter_um
            await _go(parts, place.x_um + offset_um, place.y_um)
            if parts.focus is not None:
                await parts.focus.set_defocus(DEFOCUS_UM[(len(taken) + number) % len(DEFOCUS_UM)])
            exposures.append(await _acquire(parts, "record"))
            counter.took("exposures")
        taken[hole.k, hole.m] = TakenHole(hole, of_hole, tuple(exposures))
    return TakenSquare(square, image, holes, taken)


async def _acquire(parts: Parts, preset: str) -> TakenImage:
    if parts.camera is None:
        raise SimulationError("the simulated microscope has no camera; this is a fault of structloop")
    return await parts.camera.acquire(preset)


async def _go(parts: Parts, x_um: float, y_um: float) -> None:
    if parts.stage is not None:
        await parts.stage.move(x_um=x_um, y_um=y_um)


def _stage(truth: Truth, x_um: float, y_um: float) -> StagePosition:
    x, y = truth.stage_for(x_um, y_um)
    return StagePosition(x_um=x, y_um=y)


def _best_squares(grid: SceneGrid, count: int) -> list[SceneSquare]:
    """Whole squares first, the best of them, not too far out; whatever there is where there are too few."""
    x_um, y_um = grid.centre_um
    near = [square for square in grid.squares() if max(abs(square.x_um - x_um), abs(square.y_um - y_um)) < _FARTHEST_UM]
    near.sort(key=lambda square: (square.state is not SquareState.INTACT, -square.quality, square.name))
    return near[:count]


def _spread(square: SceneSquare, count: int) -> list[SceneHole]:
    """Holes with ice that nothing hides, far from each other; others where there are too few."""
    holes = square.holes()
    fine = [hole for hole in holes if hole.state is HoleState.INTACT and hole.seen > 0.99] or holes
    step = max(1, len(fine) // count)
    return fine[step // 2 :: step][:count]


__all__ = ["DEFOCUS_UM", "OnProgress", "SimulatedOrder", "TakenGrid", "TakenHole", "TakenSquare", "take_grids"]
