"""What is seen in the images of a screening: squares of an atlas, holes of a square, the middle of a hole."""

from dataclasses import asdict
from typing import Any

from structloop.grids.finding import FoundSquares, Frame, find_hole_near_middle, find_holes, find_squares, stitch
from structloop.grids.screening.choosing import choose_holes
from structloop.instruments.microscope import TakenImage
from structloop.schema.acquisition import StageLimits


def squares_in(tiles: list[tuple[TakenImage, int]]) -> FoundSquares:
    """The squares in the tiles of an atlas, each with the binning it is looked at with."""
    mosaic = stitch([(image.pixels(binning), Frame.of(image.facts, binning)) for image, binning in tiles])
    return find_squares(mosaic.image, mosaic.frame, mosaic.known)


def holes_in(image: TakenImage, binning: int, count: int, limits: StageLimits) -> dict[str, Any]:
    """What is decided about the holes of a square's image, as it is noted in the journal."""
    pixels, frame = image.pixels(binning), Frame.of(image.facts, binning)
    found = find_holes(pixels, frame)
    height, width = pixels.shape
    chosen = choose_holes(found, count, (height, width), frame, limits)
    steps: list[tuple[float, float]] = []
    if found.lattice is not None:
        (a, b), (c, d) = frame.matrix_um
        steps = [(a * x + b * y, c * x + d * y) for x, y in (found.lattice.first, found.lattice.second)]
    return {"found": len(found.holes), "chosen": [asdict(one) for one in chosen], "steps_um": steps}


def centre_of(image: TakenImage, binning: int, radius_um: float) -> tuple[float, float] | None:
    """Stage position of the hole nearest to the middle of its image."""
    frame = Frame.of(image.facts, binning)
    hole = find_hole_near_middle(image.pixels(binning), radius_um / frame.pixel_um, frame)
    return None if hole is None else (hole.x_um, hole.y_um)


__all__ = ["centre_of", "holes_in", "squares_in"]
