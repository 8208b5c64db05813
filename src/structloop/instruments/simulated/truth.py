"""The door to what is true of a simulated microscope and its images.

For tests, conformance suites, benchmarks and the writer of simulated sessions alone: whatever has to find these things
out must not look them up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import NotFoundError
from structloop.instruments.microscope import TakenImage
from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.machine import Machine
from structloop.instruments.simulated.measuring import seen_at
from structloop.instruments.simulated.microscope import SimulatedMicroscope
from structloop.instruments.simulated.movies import motion_of
from structloop.instruments.simulated.rendering import optics_of, view_of
from structloop.schema.acquisition import StagePosition
from structloop.simulation.grids import Cassette, View
from structloop.simulation.grids import truth as scene
from structloop.simulation.grids.materials import Ground
from structloop.simulation.movies import Motion
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import Particles

FloatArray = NDArray[np.float32]

MAP_PX = 128
"""Maps of pictures at low and medium magnification have at least so many points along an edge."""

SELF_MADE = frozenset({"align-to", "autofocus", "find-eucentric-height", "wait-drift"})
"""Purposes of exposures that the microscope makes for itself."""


@dataclass(frozen=True)
class ImageTruth:
    """What is true of an image.

    Attributes:
        capture: All that it was taken with.
        view: What it looks at, in the grid's axes.
        optics: The lens, with the specimen's height in the defocus: the CTF that a fit should find.
        ice_nm, film: Maps (y, x) over the whole image, edge to edge.
        particles: Molecules, in pixels of the whole image; None of pictures at low and medium magnification.
        mean_ice_nm: Mean thickness of the ice where there is no film; 0 where there is none.
    """

    capture: Capture
    view: View
    optics: Optics
    ice_nm: FloatArray
    film: FloatArray
    particles: Particles | None
    mean_ice_nm: float


class Truth:
    """What is true of a simulated microscope.

    Args:
        microscope: Which.
    """

    def __init__(self, microscope: SimulatedMicroscope) -> None:
        self._machine: Machine = microscope._machine

    @property
    def cassette(self) -> Cassette:
        """The scene."""
        return self._machine.cassette

    @property
    def exposures(self) -> tuple[Capture, ...]:
        """Every exposure that was ever made, in order, also those whose image was lost."""
        return tuple(self._machine.log.captures)

    def exposures_near(self, slot: int, x_um: float, y_um: float, radius_um: float) -> tuple[Capture, ...]:
        """Exposures of a grid whose centre lay within a distance of a place, in the grid's own axes."""
        return tuple(
            capture
            for capture in self.exposures
            if capture.slot == slot and np.hypot(capture.x_um - x_um, capture.y_um - y_um) <= radius_um
        )

    def exposed_twice(self, preset: str = "record", radius_um: float = 0.1) -> list[tuple[Capture, Capture]]:
        """Pairs of exposures with one preset that lie within a distance on one grid, the microscope's own left out.

        Exposures of a closed beam do not count. The cost grows with the number of exposures, not with its square.
        """
        seen: dict[tuple[int, int, int], list[Capture]] = {}
        pairs = []
        for capture in self.exposures:
            wanted = capture.preset == preset and capture.purpose not in SELF_MADE
            if not wanted or capture.slot is None or capture.dose_e_per_angstrom2 <= 0:
                continue
            column, row = int(capture.x_um // radius_um), int(capture.y_um // radius_um)
            for i in (column - 1, column, column + 1):
                for j in (row - 1, row, row + 1):
                    pairs += [
                        (earlier, capture)
                        for earlier in seen.get((capture.slot, i, j), ())
                        if np.hypot(capture.x_um - earlier.x_um, capture.y_um - earlier.y_um) <= radius_um
                    ]
            seen.setdefault((capture.slot, column, row), []).append(capture)
        return pairs

    def dose_e_per_angstrom2(self, slot: int, x_um: float, y_um: float) -> float:
        """Dose that fell on a place of a grid so far, of all images that showed it."""
        total = 0.0
        for capture in self.exposures:
            if capture.slot == slot:
                column, row = view_of(capture).to_image(x_um, y_um)
                if -0.5 <= column < capture.width_px - 0.5 and -0.5 <= row < capture.height_px - 0.5:
                    total += capture.dose_e_per_angstrom2
        return total

    def image(self, image: TakenImage | str) -> ImageTruth:
        """What is true of an image, by itself or by its id.

        Raises:
            NotFoundError: this microscope took no such image, or of no grid.
        """
        capture = self.capture(image)
        if capture.grid is None:
            raise NotFoundError(f"image {capture.image_id} was taken without a grid on the stage")
        view = view_of(capture)
        height = float(capture.grid.height_um(view.x_um, view.y_um)) + view.z_um
        if capture.high:
            truth = scene.of_view(capture.grid, view)
            ice_nm, film, particles = truth.ice_nm, truth.film, truth.particles
        else:
            coarse = view_of(capture, max(capture.width_px // MAP_PX, 1))
            maps = Ground(capture.grid, coarse.frame(height), step=1, lumps=False).band(0, coarse.height_px)
            ice_nm, film, particles = maps.ice_nm, maps.film, None
        free = film < 0.5
        mean = float(ice_nm[free].mean()) if free.any() else 0.0
        return ImageTruth(capture, view, optics_of(capture).defocused(height), ice_nm, film, particles, mean)

    def capture(self, image: TakenImage | str) -> Capture:
        """All that an image was taken with.

        Raises:
            NotFoundError: this microscope took no such image.
        """
        image_id = image if isinstance(image, str) else image.facts.image_id
        capture = self._machine.log.of_image(image_id)
        if capture is None:
            raise NotFoundError(f"no image {image_id} was taken by this microscope")
        return capture

    def motion(self, image: TakenImage | str, binning: int = 1) -> Motion:
        """How what an exposure shows moves while it is taken: the tracks of its movie."""
        return motion_of(self.capture(image), binning)

    def looks_at(self, image: TakenImage | str) -> tuple[float, float]:
        """What the centre of an image shows, in its grid's own axes."""
        return seen_at(self.capture(image))

    def stage_for(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Where the stage would have to stand to show a place of the grid that is loaded."""
        return self._machine.to_stage(x_um, y_um)

    def stage(self) -> StagePosition:
        """Where the stage really is."""
        return self._machine.goniometer.actual(self._machine.now_s)

    def height_um(self) -> float:
        """How far what the stage shows lies above the eucentric plane."""
        machine, at = self._machine, self.stage()
        own = 0.0 if machine.grid is None else float(machine.grid.height_um(*machine.to_grid(at.x_um, at.y_um)))
        return at.z_um - machine.flaws.eucentric_z_um + own

    def drift_angstrom_per_s(self) -> float:
        """How fast the specimen drifts."""
        return float(np.hypot(*self._machine.goniometer.drift_angstrom_per_s(self._machine.now_s)))


__all__ = ["SELF_MADE", "ImageTruth", "Truth"]
