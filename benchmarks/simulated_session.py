"""How fast the simulated microscope is: single pictures, an atlas, and a session of eight hours.

    python benchmarks/simulated_session.py                 # all of it
    python benchmarks/simulated_session.py --pictures      # without the session
    python benchmarks/simulated_session.py --exposures 300 --opened 100

The session is on the virtual clock: squares are visited one after the other; at each, eucentric height, autofocus and a
wait for drift (all measured on images), then exposures by image shift, holes of a group around each stage position.
Every third exposure is opened at 1024 x 1024. Each line is what was done, the seconds it
took by the wall and of the processor (all cores together), and what the project set itself.
"""

import argparse
import asyncio
import math
import os
import platform
import time
from collections.abc import Awaitable, Callable
from functools import partial

from structloop.core.errors import InstrumentFaultError
from structloop.instruments.microscope import (
    Autoloader,
    Camera,
    Focus,
    ImageShifting,
    Optics,
    Stage,
    TakenImage,
    Vacuum,
)
from structloop.instruments.simulated import SimulatedMicroscope, SimulatedOptions
from structloop.instruments.simulated.truth import Truth
from structloop.schema.acquisition import Fault
from structloop.simulation.grids import Cassette, HoleState, SceneHole, SquareState

GROUP_UM = 7.0


class Bench:
    """A simulated microscope with its parts."""

    def __init__(self, seed: int) -> None:
        self.microscope = SimulatedMicroscope(Cassette.from_seed(seed, 4), options=SimulatedOptions(seed=seed))
        parts = self.microscope.parts
        assert isinstance(parts.stage, Stage)
        assert isinstance(parts.autoloader, Autoloader)
        assert isinstance(parts.optics, Optics)
        assert isinstance(parts.image_shift, ImageShifting)
        assert isinstance(parts.camera, Camera)
        assert isinstance(parts.focus, Focus)
        assert isinstance(parts.vacuum, Vacuum)
        self.stage, self.loader, self.optics, self.shift = (
            parts.stage,
            parts.autoloader,
            parts.optics,
            parts.image_shift,
        )
        self.camera, self.focus, self.vacuum = parts.camera, parts.focus, parts.vacuum
        self.truth = Truth(self.microscope)

    async def begin(self) -> None:
        """A grid on the stage, beam on."""
        await self.microscope.connect()
        await self.loader.load(1)
        await self.vacuum.set_valves(True)
        await self.optics.set_beam(True)

    def squares(self) -> list[list[SceneHole]]:
        """Holes of the intact squares."""
        squares = [square for square in self.truth.cassette.grid(1).squares() if square.state == SquareState.INTACT]
        squares.sort(key=lambda square: math.hypot(square.x_um, square.y_um))
        holes = ([hole for hole in square.holes() if hole.state == HoleState.INTACT] for square in squares[9:])
        return [found for found in holes if len(found) > 30]

    async def go_to(self, hole: SceneHole) -> None:
        """Bring the stage to a hole."""
        x_um, y_um = self.truth.stage_for(hole.x_um, hole.y_um)
        await self.stage.move(x_um=x_um, y_um=y_um)

    async def patiently(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Do something, once the dewars are full; False where it cannot be done here."""
        while True:
            try:
                await work()
            except InstrumentFaultError as error:
                if error.fault != Fault.DEWAR_FILLING:
                    return False
                await self.vacuum.wait_ready(3600)
            else:
                return True

    async def expose(self, images: list[TakenImage]) -> None:
        """Take a movie."""
        images.append(await self.camera.acquire("record", save_frames=True))


class Watch:
    """Seconds since it was made, by the wall and of the processor."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def line(what: str, spent: tuple[float, float], aim: str) -> None:
    """One row of the table."""
    print(f"{what:<62} {spent[0]:>9.2f} s {spent[1]:>9.2f} s   {aim}", flush=True)


def added(first: tuple[float, float], *others: tuple[float, float], sign: int = 1) -> tuple[float, float]:
    """Sum of times, or what is left of the first."""
    return first[0] + sign * sum(other[0] for other in others), first[1] + sign * sum(other[1] for other in others)


async def pictures(bench: Bench) -> None:
    """Single pictures and an atlas."""
    await bench.begin()
    hole = bench.squares()[0][20]
    await bench.go_to(hole)
    await bench.focus.eucentric_height("fine")
    await bench.focus.autofocus(1.2)
    for preset, binning, aim in (
        ("record", 1, "<= 2 s"),
        ("record", 4, ""),
        ("square", 1, "<= 1 s"),
        ("hole", 1, ""),
    ):
        image = await bench.camera.acquire(preset)
        image.pixels(64)
        times = []
        for _ in range(3):
            watch = Watch()
            shape = image.pixels(binning).shape
            times.append(watch.read())
        line(f"{preset}, rendered at {shape[1]} x {shape[0]} (best of 3)", min(times), aim)
    watch = Watch()
    count = 0
    async for tile in bench.camera.montage("atlas", 8, 5):
        tile.pixels(1)
        count += 1
    line(f"atlas of {count} tiles of 2048 x 2048, taken and opened", watch.read(), "<= 20 s")
    watch = Watch()
    async for tile in bench.camera.montage("atlas", 8, 5):
        tile.pixels(2)
    line("the same, opened at 1024 x 1024", watch.read(), "")


async def session(bench: Bench, exposures: int, opened: int) -> None:
    """Exposures on one grid, some of them opened."""
    await bench.begin()
    watch, clock_began = Watch(), bench.microscope.clock.elapsed_s()
    opening = measuring = (0.0, 0.0)
    taken = looked = 0
    for holes in bench.squares():
        focused = 0
        while holes and taken < exposures:
            centre = holes[0]
            group = [h for h in holes if math.hypot(h.x_um - centre.x_um, h.y_um - centre.y_um) <= GROUP_UM]
            holes = [h for h in holes if h not in group]
            await bench.go_to(centre)
            start = Watch()
            if not focused:
                await bench.patiently(lambda: bench.focus.eucentric_height("fine"))
            await bench.patiently(lambda: bench.focus.autofocus(1.2))
            await bench.patiently(lambda: bench.focus.wait_drift(2.0, 60))
            measuring = added(measuring, start.read())
            focused += 1
            x0, y0 = bench.truth.stage_for(centre.x_um, centre.y_um)
            for hole in group[: exposures - taken]:
                x, y = bench.truth.stage_for(hole.x_um, hole.y_um)
                await bench.shift.shift(x - x0, y - y0, 0.3)
                images: list[TakenImage] = []
                await bench.patiently(partial(bench.expose, images))
                taken += 1
                if looked * exposures < taken * opened:
                    start = Watch()
                    images[0].pixels(4)
                    opening = added(opening, start.read())
                    looked += 1
            await bench.shift.shift(0.0, 0.0)
        if taken >= exposures:
            break
    total = watch.read()
    hours = (bench.microscope.clock.elapsed_s() - clock_began) / 3600
    twice = len(bench.truth.exposed_twice(radius_um=0.3))
    line(f"session of {taken} exposures, {looked} opened at 1024 x 1024: {hours:.1f} h", total, "<= 600 s")
    line(f"  of that, {looked} opened", opening, "")
    line("  of that, height, focus and drift on images", measuring, "")
    line("  of that, everything else", added(total, opening, measuring, sign=-1), "")
    print(f"  exposures of the same place twice: {twice}")


async def unopened(bench: Bench, exposures: int) -> None:
    """The driver alone."""
    await bench.begin()
    watch = Watch()
    for index in range(exposures):
        if index % 20 == 0:
            await bench.stage.move(x_um=float(index % 97), y_um=float(index % 83))
        await bench.shift.shift(index % 5 - 2.0, index % 3 - 1.0, 0.3)
        await bench.patiently(lambda: bench.camera.acquire("record", save_frames=True))
    line(f"{exposures} exposures taken and not opened", watch.read(), "seconds")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--exposures", type=int, default=3000)
    parser.add_argument("--opened", type=int, default=1000)
    parser.add_argument("--pictures", action="store_true", help="without the session")
    told = parser.parse_args()
    header = f"{'':<62} {'wall':>11} {'processor':>11}   aim"
    print(f"{platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}")
    print(header)
    asyncio.run(pictures(Bench(told.seed)))
    asyncio.run(unopened(Bench(told.seed), told.exposures))
    if not told.pictures:
        asyncio.run(session(Bench(told.seed), told.exposures, told.opened))


if __name__ == "__main__":
    main()
