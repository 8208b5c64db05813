"""A made-up grid as EPU would leave it: one session with its atlas, lists, and images with their descriptions."""

from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.grids.acquisitions.simulating.epu_xml import (
    area_xml,
    atlas_xml,
    hole_xml,
    image_xml,
    node_xml,
    session_xml,
    square_xml,
    tile_xml,
)
from structloop.grids.acquisitions.simulating.taking import DEFOCUS_UM, TakenGrid, TakenHole, TakenSquare
from structloop.grids.snapshots import stretched
from structloop.instruments.microscope import TakenImage
from structloop.schema.acquisition import ImageFacts, StagePosition

# EPU's pictures are reduced to this.
PICTURE_PX = 512
_MAGNIFICATION = {"atlas": 135.0, "square": 580.0, "hole": 6500.0, "record": 130000.0}
# EPU's ids are whole numbers. Those of a cassette differ from those of any other, and those of a slot as well.
_IDS_PER_CASSETTE = 1_000_000_000
_IDS_PER_SLOT = 10_000_000


@dataclass
class EpuTree:
    """Where a grid was written.

    Attributes:
        files: The file of each exposure's pixels by its image's id, relative to the folder that was given.
    """

    session: Path
    files: dict[str, str] = field(default_factory=dict)


def write_epu_tree(grid: TakenGrid, folder: Path) -> EpuTree:
    """Writes `<folder>/Sample<slot>/Atlas` and `<folder>/<grid>` with everything EPU keeps of a session.

    Pictures are JPEG of 512 pixels, contrast stretched; exposures are there as MRC files too, in electrons.
    """
    base = _first_id(grid)
    session = folder / grid.grid.name
    tree = EpuTree(session)
    keys = {square.name: str(base + 1000 + number) for number, (square, _) in enumerate(grid.squares)}
    atlas = _write_atlas(grid, folder / f"Sample{grid.slot}" / "Atlas", keys)
    taken = list(grid.taken.items())
    for number, (name, square) in enumerate(taken):
        _write_square(square, session, keys[name], base + 100_000 * (number + 1), str(base + 500), folder, tree)
    _write(
        session / "EpuSession.dm",
        session_xml(
            str(base),
            grid.grid.name,
            grid.slot,
            grid.tiles[0].facts.taken_at,
            [keys[name] for name, _ in taken],
            [area_xml(str(base + 500), (0.0, 0.0), 3.0, DEFOCUS_UM)],
            str(atlas.relative_to(folder)).replace("/", "\\"),
        ),
    )
    return tree


def _write_atlas(grid: TakenGrid, folder: Path, keys: dict[str, str]) -> Path:
    """Tiles lie in the atlas where their stage positions say; the atlas begins where the first of them does."""
    first = grid.tiles[0].facts
    centres = [_pixels_beside(first, tile.facts.stage, first.stage) for tile in grid.tiles]
    corners = np.array(centres) - [first.width_px / 2, first.height_px / 2]
    origin = corners.min(axis=0)
    tiles = []
    for number, tile in enumerate(grid.tiles):
        corner = np.rint(corners[number] - origin).astype(int)
        name = f"Tile_{number}_0_1"
        _write_image(tile, folder / name)
        size = (first.width_px, first.height_px)
        tiles.append(tile_xml(str(number + 1), name, (int(corner[0]), int(corner[1])), size, tile.facts.stage))
    pixel_um = first.pixel_size_angstrom * 1e-4
    nodes = []
    for square, at in grid.squares:
        x_px, y_px = np.array(_pixels_beside(first, at, first.stage)) - origin
        size_um = square.size_um
        nodes.append(node_xml(keys[square.name], (float(x_px), float(y_px)), size_um / pixel_um, size_um, at))
    key = str(_first_id(grid) + 1)
    _write(folder / "Atlas.dm", atlas_xml(key, grid.slot, first.taken_at, tiles, nodes))
    return folder / "Atlas.dm"


def _write_square(
    square: TakenSquare, session: Path, key: str, first_hole: int, area: str, folder: Path, tree: EpuTree
) -> None:
    place = session / "Images-Disc1" / f"GridSquare_{key}"
    facts = square.image.facts
    _write_image(square.image, place / f"GridSquare_{_stamp(facts)}")
    holes = []
    pixel_um = facts.pixel_size_angstrom * 1e-4
    for number, (hole, at) in enumerate(square.holes):
        hole_key = str(first_hole + number)
        x_px, y_px = _pixels_beside(facts, at, facts.stage)
        center = (x_px + (facts.width_px - 1) / 2, y_px + (facts.height_px - 1) / 2)
        taken = square.taken.get((hole.k, hole.m))
        state = "Defined" if taken is None else "Completed"
        holes.append(hole_xml(hole_key, state, center, hole.diameter_um / pixel_um, hole.seen < 0.99, at))
        if taken is not None:
            _write_hole(taken, place, hole_key, area, folder, tree)
    _write(session / "Metadata" / f"GridSquare_{key}.dm", square_xml(key, "Completed", True, facts.stage, holes))


def _write_hole(hole: TakenHole, place: Path, key: str, area: str, folder: Path, tree: EpuTree) -> None:
    _write_image(hole.image, place / "FoilHoles" / f"FoilHole_{key}_{_stamp(hole.image.facts)}")
    for number, exposure in enumerate(hole.exposures, start=1):
        name = place / "Data" / f"FoilHole_{key}_Data_{area}_{number}_{_stamp(exposure.facts)}"
        _write_image(exposure, name, numbers=True)
        tree.files[exposure.facts.image_id] = name.with_suffix(".mrc").relative_to(folder).as_posix()


def _pixels_beside(facts: ImageFacts, at: StagePosition, middle: StagePosition) -> tuple[float, float]:
    """How many pixels beside the image's centre a stage position lies."""
    offset = np.array([at.x_um - middle.x_um, at.y_um - middle.y_um])
    x_px, y_px = np.linalg.solve(np.array(facts.image_to_stage_um), offset)
    return float(x_px), float(y_px)


def _write_image(image: TakenImage, name: Path, *, numbers: bool = False) -> None:
    facts = image.facts
    name.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.pixels()
    picture = Image.fromarray(stretched(pixels))
    longest = max(picture.size)
    if longest > PICTURE_PX:
        size = (picture.width * PICTURE_PX // longest, picture.height * PICTURE_PX // longest)
        picture = picture.resize(size, Image.Resampling.BOX)
    picture.save(f"{name}.jpg", quality=90)
    _write(Path(f"{name}.xml"), image_xml(facts, _MAGNIFICATION[facts.preset]))
    if numbers:
        with mrcfile.new(f"{name}.mrc", overwrite=True) as file:
            plain: NDArray[np.float32] = np.asarray(pixels, dtype=np.float32)
            file.set_data(plain)
            file.voxel_size = facts.pixel_size_angstrom


def _first_id(grid: TakenGrid) -> int:
    return grid.order.number * _IDS_PER_CASSETTE + grid.slot * _IDS_PER_SLOT


def _stamp(facts: ImageFacts) -> str:
    return f"{facts.taken_at:%Y%m%d_%H%M%S}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


__all__ = ["PICTURE_PX", "EpuTree", "write_epu_tree"]
