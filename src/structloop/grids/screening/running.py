"""The screening itself: what is asked of the runner, grid by grid, square by square, hole by hole.

Whatever fails at one level (a grid, a square, a hole) is given up with its reason and the next one is taken; only what
ends the whole session ends the screening. Keys say what each action was for (`slot1/square02/hole01/exposure1`), so
that a session that was interrupted anywhere goes on where it stood.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Literal

import structlog

from structloop.core.errors import ActionSkippedError, ImageError, InterlockError, JournalError, SafeStopError
from structloop.grids.finding.mosaic import WORK_PX
from structloop.grids.screening.choosing import (
    Chosen,
    choose_squares,
    exposure_offsets,
    exposures_that_fit,
    focus_offset,
)
from structloop.grids.screening.looking import centre_of, holes_in, squares_in
from structloop.grids.screening.notes import Decisions
from structloop.grids.screening.plan import NEEDED, ScreeningPlan
from structloop.grids.screening.report import (
    GridReport,
    HoleReport,
    ScreeningEvent,
    ScreeningReport,
    Skipped,
    SquareReport,
    What,
)
from structloop.instruments.entries import ActionDone, SessionBegan
from structloop.instruments.images import kept_image
from structloop.instruments.microscope import TakenImage
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Autofocus,
    FindEucentricHeight,
    LoadGrid,
    MoveStage,
    Result,
    SetBeam,
    SetValves,
    ShiftImage,
    StageMoved,
    TiltStage,
    UnloadGrid,
    WaitDrift,
    WaitReady,
)

Progress = Callable[[ScreeningEvent], object]
_FINE_PX = 1024
_log = structlog.get_logger(__name__)


async def screen(runner: Runner, plan: ScreeningPlan, *, progress: Progress | None = None) -> ScreeningReport:
    """Screen the grids of a plan, unattended; an interrupted screening is taken up by calling this again.

    Args:
        runner: Entered; leaving it turns the beam off.
        plan: What to do; noted in the journal, which refuses another.
        progress: Called with each event as it happens.

    Returns:
        What was done and what was given up. Where the session was stopped safely, `stopped` says why.

    Raises:
        NotCapableError: The microscope lacks something the plan needs; nothing was moved.
        JournalError: The journal is of another plan.
    """
    return await _Screening(runner, plan, progress).run()


class _Given(Exception):  # noqa: N818  # control flow within this module: a level is given up
    """A grid, square or hole is given up; the reason is in the report already."""


class _Screening:
    def __init__(self, runner: Runner, plan: ScreeningPlan, progress: Progress | None) -> None:
        self.runner = runner
        self.plan = plan
        self.decisions = Decisions(runner)
        self.limits = runner.microscope.description.limits
        self.skipped: list[Skipped] = []
        self.exposures = 0
        self.planned = len(plan.slots) * plan.squares_per_grid * plan.holes_per_square * plan.exposures_per_hole
        self._progress = progress
        self._at_um = (0.0, 0.0)
        self._taken_off = self._grids_taken_off()

    async def run(self) -> ScreeningReport:
        plan, runner = self.plan, self.runner
        presets = [plan.atlas_preset, plan.square_preset, plan.exposure_preset]
        needed = [*NEEDED, UnloadGrid] if plan.unload_at_end else [*NEEDED]
        runner.require(needed, [*presets, plan.hole_preset] if plan.hole_preset else presets)
        self.decisions.agree_on(plan)
        started = runner.clock.now()
        grids: list[GridReport] = []
        stopped: str | None = None
        try:
            for slot in plan.slots:
                await self._grid(slot, grids)
            await self._end()
        except SafeStopError as error:
            stopped = str(error)
            self._tell("screening", "stopped", stopped)
        return ScreeningReport(
            started=started,
            ended=runner.clock.now(),
            grids=tuple(grids),
            skipped=tuple(self.skipped),
            stopped=stopped,
        )

    # --- levels ---

    async def _grid(self, slot: int, grids: list[GridReport]) -> None:
        key = f"slot{slot}"
        self._tell(key, "started", f"Grid {slot}")
        report = GridReport(key=key, slot=slot, seconds=0.0)
        squares: list[SquareReport] = []
        try:
            with self._level(key):
                await self._prepare_grid(key, slot)
                report = report.model_copy(update={"atlas": f"{key}/atlas"})
                found, chosen = await self._squares(key)
                report = report.model_copy(update={"squares_found": found})
                for number, square in enumerate(chosen, start=1):
                    await self._square(f"{key}/square{number:02d}", square, squares)
                self._tell(key, "done", f"Grid {slot}; squares screened: {len(squares)}")
        finally:
            seconds = self._seconds(key)
            grids.append(report.model_copy(update={"squares": tuple(squares), "seconds": seconds}))

    async def _prepare_grid(self, key: str, slot: int) -> None:
        plan, run = self.plan, self._run
        await run(f"{key}/load", LoadGrid(slot=slot))
        await run(f"{key}/ready", WaitReady(timeout_s=plan.ready_timeout_s))
        await run(f"{key}/valves", SetValves(open=True))
        await run(f"{key}/beam", SetBeam(on=True))
        await run(f"{key}/shift", ShiftImage(dx_um=0.0, dy_um=0.0))
        await self._move(f"{key}/centre", 0.0, 0.0)
        await self._height(key, "rough")
        montage = AcquireMontage(preset=plan.atlas_preset, columns=plan.atlas_columns, rows=plan.atlas_rows)
        await run(f"{key}/atlas", montage)
        self._tell(f"{key}/atlas", "imaged", f"Atlas of grid {slot}")

    async def _square(self, key: str, square: Chosen, squares: list[SquareReport]) -> None:
        report = SquareReport(key=key, x_um=square.x_um, y_um=square.y_um, score=square.score)
        holes: list[HoleReport] = []
        self._tell(key, "started", f"Square at {square.x_um:.0f}, {square.y_um:.0f} um")
        try:
            with self._level(key):
                await self._run(f"{key}/shift", ShiftImage(dx_um=0.0, dy_um=0.0))
                await self._move(f"{key}/move", square.x_um, square.y_um)
                await self._height(key, "fine")
                image = f"{key}/image"
                await self._run(image, Acquire(preset=self.plan.square_preset))
                report = report.model_copy(update={"image": image})
                self._tell(image, "imaged", "Image of the square")
                found, chosen, steps = await self._holes(key)
                report = report.model_copy(update={"holes_found": found})
                for number, hole in enumerate(chosen, start=1):
                    await self._hole(f"{key}/hole{number:02d}", hole, steps, holes)
        finally:
            squares.append(report.model_copy(update={"holes": tuple(holes)}))

    async def _hole(
        self, key: str, hole: Chosen, steps: tuple[tuple[float, float], ...], holes: list[HoleReport]
    ) -> None:
        plan, run = self.plan, self._run
        report = HoleReport(key=key, x_um=hole.x_um, y_um=hole.y_um, score=hole.score)
        exposures: list[str] = []
        try:
            with self._level(key):
                dx, dy = await self._reach(key, hole)
                fx, fy = focus_offset(hole.radius_um, plan.focus_clearance_um, steps)
                await self._shift(f"{key}/focus-shift", dx + fx, dy + fy)
                await run(f"{key}/focus", Autofocus(target_um=plan.defocus_um))
                drift = WaitDrift(rate_angstrom_per_s=plan.drift_angstrom_per_s, timeout_s=plan.drift_timeout_s)
                await self._optional(f"{key}/drift", drift)
                for number, (ox, oy) in enumerate(self._places(key, hole), start=1):
                    taken = await self._expose(key, number, dx + ox, dy + oy)
                    exposures += [taken] if taken else []
                self._tell(key, "done", f"Exposures of the hole: {len(exposures)}")
        finally:
            holes.append(report.model_copy(update={"exposures": tuple(exposures)}))

    def _places(self, key: str, hole: Chosen) -> tuple[tuple[float, float], ...]:
        """Where to expose, from the hole's middle; the report says so where fewer fit than are planned."""
        count, preset = (
            self.plan.exposures_per_hole,
            self.runner.microscope.description.preset(self.plan.exposure_preset),
        )
        field_um = max(preset.width_px, preset.height_px) * preset.pixel_size_angstrom * 1e-4 if preset else 0.0
        fit = exposures_that_fit(count, hole.radius_um, field_um)
        if fit < count:
            reason = (
                f"{count} exposures of {field_um:.2f} um do not fit into a hole of radius {hole.radius_um:.2f} um "
                f"without overlapping: {fit} taken"
            )
            self._skip(f"{key}/exposures", reason)
        return exposure_offsets(fit, hole.radius_um, self.plan.exposure_spacing_um, field_um)

    async def _expose(self, key: str, number: int, dx: float, dy: float) -> str | None:
        """One exposure; where only it fails, the hole goes on."""
        image = f"{key}/exposure{number}"
        try:
            await self._shift(f"{key}/shift{number}", dx, dy)
            await self._run(image, Acquire(preset=self.plan.exposure_preset, save_frames=self.plan.save_frames))
        except ActionSkippedError as error:
            self._skip(image, str(error))
            return None
        self.exposures += 1
        self._tell(image, "imaged", f"Exposure {self.exposures} of at most {self.planned}")
        return image

    async def _end(self) -> None:
        """Beam off, valves closed, the last grid back in its slot."""
        await self._optional("end/beam", SetBeam(on=False))
        await self._optional("end/valves", SetValves(open=False))
        if self.plan.unload_at_end:
            await self._optional("end/unload", UnloadGrid())
        self._tell("screening", "done", f"Finished; exposures: {self.exposures}, given up: {len(self.skipped)}")

    # --- steps ---

    async def _move(self, key: str, x_um: float, y_um: float) -> None:
        moved = await self._run(key, MoveStage(x_um=x_um, y_um=y_um))
        if not isinstance(moved, StageMoved):
            raise JournalError(f"{key}: the journal has no stage position for this move; begin a new folder")
        self._at_um = (moved.position.x_um, moved.position.y_um)

    async def _height(self, key: str, method: Literal["rough", "fine"]) -> None:
        """Find the height, and lay the stage flat: a search that was interrupted may have left it tilted."""
        await self._optional(f"{key}/height", FindEucentricHeight(method=method))
        if "tilt-stage" in self.runner.microscope.description.operations:
            await self._run(f"{key}/flat", TiltStage(tilt_deg=0.0))

    async def _run(self, key: str, action: Action) -> Result:
        """Do an action, unless it looks at a place of a grid that does not lie any more as it did.

        Raises:
            ActionSkippedError: it was given up, or the grid was taken off the stage since its atlas.
        """
        grid = key.split("/")[0]
        known = self.runner.record.keys.get(key)
        if grid in self._taken_off and (known is None or known.status == "begun"):
            self.decisions.note(f"{grid}/taken-off", True)
            raise ActionSkippedError(
                f"grid {grid} was taken off the stage since its atlas, and does not lie as it did: places found before "
                "are void; screen it again in a new folder"
            )
        return await self.runner.run(key, action)

    def _grids_taken_off(self) -> set[str]:
        """Grids that were looked at in an earlier session, and have made room for another since.

        Where the stage is empty, or the microscope does not know, the grid counts as lying as it did: a simulated one
        begins with an empty stage in each process.
        """
        began = [entry for entry in self.runner.journal.entries if isinstance(entry, SessionBegan)]
        state = began[-1].state if len(began) > 1 else None
        keys = {f"slot{slot}": slot for slot in self.plan.slots}
        return {
            grid
            for grid, slot in keys.items()
            if self.decisions.get(f"{grid}/taken-off")
            or (state is not None and state.slot not in (None, slot) and f"{grid}/atlas" in self.runner.record.keys)
        }

    async def _shift(self, key: str, dx_um: float, dy_um: float) -> None:
        await self._run(key, ShiftImage(dx_um=dx_um, dy_um=dy_um, settle_s=self.plan.settle_s))

    async def _reach(self, key: str, hole: Chosen) -> tuple[float, float]:
        """Go to a hole and centre it by its image; returns the image shift that looks at its middle."""
        reach = self.plan.image_shift_up_to_um
        dx, dy = hole.x_um - self._at_um[0], hole.y_um - self._at_um[1]
        if dx * dx + dy * dy > reach * reach:
            await self._move(f"{key}/move", hole.x_um, hole.y_um)
            dx, dy = 0.0, 0.0
        if self.plan.hole_preset is None:
            return hole.x_um - self._at_um[0], hole.y_um - self._at_um[1]
        await self._shift(f"{key}/shift", dx, dy)
        await self._run(f"{key}/image", Acquire(preset=self.plan.hole_preset))
        self._tell(f"{key}/image", "imaged", "Image of the hole")
        centre = self.decisions.get(f"{key}/centre")
        if centre is None:
            image, binning = await self._image(f"{key}/image", _FINE_PX)
            found = await asyncio.to_thread(centre_of, image, binning, hole.radius_um)
            facts = image.facts
            if found is None:
                centre = {"found": False, "shift_um": [dx, dy]}
            else:
                centre = {"found": True, "shift_um": [found[0] - facts.stage.x_um, found[1] - facts.stage.y_um]}
            centre = self.decisions.note(f"{key}/centre", centre)
        if not centre["found"]:
            self._skip(f"{key}/centre", "its image shows no hole of that size: exposed where it was expected")
        return float(centre["shift_um"][0]), float(centre["shift_um"][1])

    async def _squares(self, key: str) -> tuple[int, tuple[Chosen, ...]]:
        decided = self.decisions.get(f"{key}/squares")
        if decided is None:
            montage = self.runner.record.keys[f"{key}/atlas"].result
            tiles = [
                await self._image(f"{key}/atlas", WORK_PX // max(self.plan.atlas_columns, self.plan.atlas_rows), tile)
                for tile in range(len(getattr(montage, "tiles", ())))
            ]
            found = await asyncio.to_thread(squares_in, tiles)
            chosen = choose_squares(found, self.plan.squares_per_grid, self.limits)
            decided = {"found": len(found.squares), "chosen": [asdict(one) for one in chosen]}
            decided = self.decisions.note(f"{key}/squares", decided)
        if not decided["chosen"]:
            self._skip(key, "no squares were found in its atlas")
            raise _Given
        self._tell(key, "found", f"Squares found: {decided['found']}, chosen: {len(decided['chosen'])}")
        return int(decided["found"]), tuple(Chosen(**one) for one in decided["chosen"])

    async def _holes(self, key: str) -> tuple[int, tuple[Chosen, ...], tuple[tuple[float, float], ...]]:
        decided = self.decisions.get(f"{key}/holes")
        if decided is None:
            image, binning = await self._image(f"{key}/image", _FINE_PX)
            decided = await asyncio.to_thread(holes_in, image, binning, self.plan.holes_per_square, self.limits)
            decided = self.decisions.note(f"{key}/holes", decided)
        if not decided["chosen"]:
            self._skip(key, "no holes were found in its image")
            raise _Given
        self._tell(key, "found", f"Holes found: {decided['found']}, chosen: {len(decided['chosen'])}")
        steps = tuple((float(x), float(y)) for x, y in decided["steps_um"])
        return int(decided["found"]), tuple(Chosen(**one) for one in decided["chosen"]), steps

    async def _image(self, key: str, most_px: int, tile: int | None = None) -> tuple[TakenImage, int]:
        """An image of the session and the binning to read it at: as it is kept, or coarser."""
        imaged = self.runner.record.keys[key].imaged(tile)
        # What is kept is what a resumed session sees: where it is kept, it is what this one looks at as well.
        image = kept_image(self.runner.journal.folder, imaged) if imaged is not None else None
        image = image or await self.runner.image(key, tile)
        binning = imaged.kept.binning if imaged is not None and imaged.kept is not None else 1
        while max(image.facts.width_px, image.facts.height_px) / binning > 1.5 * most_px:
            binning *= 2
        return image, binning

    # --- giving up and telling ---

    @contextmanager
    def _level(self, key: str) -> Iterator[None]:
        """What happens here may be given up without ending what is around it."""
        try:
            yield
        except (ActionSkippedError, InterlockError, ImageError) as error:
            self._skip(key, str(error))
        except _Given:
            pass

    async def _optional(self, key: str, action: Action) -> None:
        """A step that the rest does not depend on: where it fails, the report says so."""
        try:
            await self._run(key, action)
        except (ActionSkippedError, InterlockError) as error:
            self._skip(key, str(error))

    def _skip(self, key: str, reason: str) -> None:
        self.skipped.append(Skipped(key=key, reason=reason))
        self._tell(key, "skipped", reason)

    def _tell(self, key: str, what: What, message: str) -> None:
        if self._progress is None:
            return
        at = self.runner.clock.now()
        event = ScreeningEvent(
            at=at, key=key, what=what, message=message, exposures=self.exposures, planned=self.planned
        )
        try:
            self._progress(event)
        except OSError as error:
            # A closed pipe or terminal: nobody listens any more, which ends no screening.
            self._progress = None
            _log.warning("telling stopped", error=str(error))

    def _seconds(self, key: str) -> float:
        """How long the actions of a level took, over all sessions that worked on it."""
        done = (entry for entry in self.runner.journal.entries if isinstance(entry, ActionDone))
        return sum(entry.duration_s for entry in done if entry.key.startswith(f"{key}/"))


__all__ = ["Progress", "screen"]
