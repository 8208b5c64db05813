"""What is true of a made-up session, in files of their own: nobody who judges by the images need see them."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from structloop.grids.acquisitions.simulating.taking import SimulatedOrder, TakenGrid
from structloop.instruments.microscope import TakenImage

HOLES = ("grid", "square", "hole", "x_um", "y_um", "diameter_um", "ice_nm", "state", "seen", "exposed")
IMAGES = (
    "grid",
    "file",
    "stage_x_um",
    "stage_y_um",
    "pixel_size_angstrom",
    "mean_ice_nm",
    "defocus_u_um",
    "defocus_v_um",
    "astigmatism_deg",
    "dose_e_per_angstrom2",
    "particles",
)
PARTICLES = ("file", "x_px", "y_px", "z_nm", "kind", "intact", "qw", "qx", "qy", "qz")


def write_truth(order: SimulatedOrder, grids: list[TakenGrid], exposures: Mapping[str, str], folder: Path) -> None:
    """Writes `truth.json` (what the grids are), `holes.csv`, `images.csv` (exposures) and `particles.csv`.

    Args:
        exposures: File of each exposure by its image's id, relative to the session.
        folder: Made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"order": asdict(order), "grids": [_grid(grid) for grid in grids]}
    (folder / "truth.json").write_text(json.dumps(to_jsonable_python(facts), indent=2) + "\n", encoding="utf-8")
    with (folder / "holes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HOLES)
        for grid in grids:
            for name, square in grid.taken.items():
                for hole, at in square.holes:
                    exposed = (hole.k, hole.m) in square.taken
                    place = (f"{at.x_um:.4f}", f"{at.y_um:.4f}", f"{hole.diameter_um:.4f}", f"{hole.ice_nm:.2f}")
                    state = (hole.state.name.lower(), f"{hole.seen:.3f}", exposed)
                    writer.writerow([grid.grid.name, name, f"{hole.k}/{hole.m}", *place, *state])
    _write_images(grids, exposures, folder)


def _write_images(grids: list[TakenGrid], exposures: Mapping[str, str], folder: Path) -> None:
    with (
        (folder / "images.csv").open("w", newline="", encoding="utf-8") as images_file,
        (folder / "particles.csv").open("w", newline="", encoding="utf-8") as particles_file,
    ):
        images, particles = csv.writer(images_file), csv.writer(particles_file)
        images.writerow(IMAGES)
        particles.writerow(PARTICLES)
        for grid in grids:
            for image in _exposures(grid):
                _write_image(grid, image, exposures[image.facts.image_id], images, particles)


def _exposures(grid: TakenGrid) -> list[TakenImage]:
    holes = (hole for square in grid.taken.values() for hole in square.taken.values())
    return [image for hole in holes for image in hole.exposures]


def _write_image(grid: TakenGrid, image: TakenImage, name: str, images: Any, particles: Any) -> None:
    true, facts = grid.truth.image(image), image.facts
    optics, found = true.optics, true.particles
    numbers = (
        facts.stage.x_um,
        facts.stage.y_um,
        true.view.pixel_size_angstrom,
        true.mean_ice_nm,
        optics.defocus_u_um,
        optics.defocus_v_um,
        optics.angle_deg,
        true.capture.dose_e_per_angstrom2,
    )
    count = 0 if found is None else len(found.x_px)
    images.writerow([grid.grid.name, name, *(f"{number:.5g}" for number in numbers), count])
    if found is None:
        return
    for i in range(count):
        place = (f"{found.x_px[i]:.2f}", f"{found.y_px[i]:.2f}", f"{found.z_nm[i]:.2f}")
        kind = (found.kinds[int(found.kind[i])], f"{found.intact[i]:.3f}")
        particles.writerow([name, *place, *kind, *(f"{part:.5f}" for part in found.rotation[i])])


def _grid(grid: TakenGrid) -> dict[str, Any]:
    squares = [
        {
            "name": square.name,
            "x_um": at.x_um,
            "y_um": at.y_um,
            "state": square.state.name.lower(),
            "ice_nm": square.ice_nm,
            "imaged": square.name in grid.taken,
        }
        for square, at in grid.squares
    ]
    return {"name": grid.grid.name, "slot": grid.slot, "recipe": asdict(grid.grid.recipe), "squares": squares}


__all__ = ["HOLES", "IMAGES", "PARTICLES", "write_truth"]
