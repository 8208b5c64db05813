"""Renders the training, validation and test images of the default classifier: pairs with and without crystals.

    python scripts/train_default_classifier/render.py --out FOLDER --facilities 500 --scenes 8 --processes 2

Facilities are numbered; a split owns a range of numbers, so that no imager, plate type or laboratory habit of one
split occurs in another. For every scene the picture, its twin without crystals, and a map of where they differ are
kept as greyscale PNGs below ``FOLDER/<split>``, and one JSON line per picture in ``<split>/<facility>.jsonl``. A
facility that is already there is not rendered again.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.schema.images import Modality
from structloop.simulation.drops import (
    RenderedDrop,
    render_uv_with_truth,
    render_visible_with_truth,
    sample_facility,
    sample_scene,
)

FIRST_FACILITY = {"train": 10_000, "validation": 900_000, "test": 950_000}
"""Where each split's facility numbers begin."""

LONG_SIDE = 640
CELL = 8
_SCENES_APART = 100_003
_UV_SHARE = 0.4


@dataclass(frozen=True)
class Picture:
    """One line of a facility's list.

    Attributes:
        image: file name of the picture, relative to the split's folder.
        twin: the same without crystals; the picture itself where it has none.
        cells: map of the cells (of `CELL` pixels) that crystals change, 255 where they do; empty without crystals.
        facility: number of the facility.
        modality: `visible` or `uv`.
        crystal: the label.
        largest_px: size of the largest crystal.
        prominence: change that the crystals make over the texture around them.
        contents: what the scene holds.
    """

    image: str
    twin: str
    cells: str
    facility: int
    modality: str
    crystal: bool
    largest_px: float
    prominence: float
    contents: tuple[str, ...]


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).convert("L"))


def changed_cells(rendered: RenderedDrop, twin: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where crystals are and can be seen: cells inside a crystal's box in which the twin looks different."""
    picture, other = (_grey(array).astype(np.float32) for array in (rendered.image, twin))
    height, width = picture.shape
    inside = np.zeros((height, width), np.bool_)
    for x0, y0, x1, y1 in rendered.truth.boxes:
        inside[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = True
    change = np.abs(picture - other) / (0.5 * (picture + other) + 12.0) * inside
    rows, columns = -(-height // CELL), -(-width // CELL)
    padded = np.zeros((rows * CELL, columns * CELL), np.float32)
    padded[:height, :width] = change
    strongest = padded.reshape(rows, CELL, columns, CELL).max(axis=(1, 3))
    return ((strongest > 0.06) * 255).astype(np.uint8)


def render_facility(number: int, *, folder: Path, scenes: int) -> int:
    """Renders one facility unless that was done already; returns the number of pictures."""
    listing = folder / f"{number}.jsonl"
    if listing.exists():
        return 0
    facility = sample_facility(number)
    rng = np.random.default_rng([number, 7])
    pictures: list[Picture] = []
    for index in range(scenes):
        scene = sample_scene(number * _SCENES_APART + index, facility=facility, prevalence=1.0)
        modalities = [Modality.VISIBLE] + ([Modality.UV] if rng.random() < _UV_SHARE else [])
        for modality in modalities:
            render = render_visible_with_truth if modality is Modality.VISIBLE else render_uv_with_truth
            rendered = render(scene, LONG_SIDE, twin=True)
            if rendered.twin is None:
                raise RuntimeError(f"facility {number}, scene {index}: the renderer made no twin")
            stem = f"{number}-{index}-{modality.value}"
            truth = rendered.truth
            Image.fromarray(_grey(rendered.twin)).save(folder / f"{stem}-twin.png", compress_level=1)
            common = (number, modality.value)
            contents = tuple(content.value for content in truth.contents)
            pictures.append(Picture(f"{stem}-twin.png", f"{stem}-twin.png", "", *common, False, 0.0, 0.0, contents))
            if not (truth.crystal and truth.recognisable):
                continue
            Image.fromarray(_grey(rendered.image)).save(folder / f"{stem}.png", compress_level=1)
            Image.fromarray(changed_cells(rendered, rendered.twin)).save(folder / f"{stem}-cells.png")
            pictures.append(
                Picture(
                    f"{stem}.png",
                    f"{stem}-twin.png",
                    f"{stem}-cells.png",
                    *common,
                    True,
                    truth.largest_px,
                    truth.prominence,
                    contents,
                )
            )
    lines = [json.dumps(asdict(picture)) for picture in pictures]
    unfinished = listing.with_suffix(".part")
    unfinished.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    unfinished.rename(listing)
    return len(pictures)


def read_pictures(folder: Path) -> list[Picture]:
    """The pictures of a split that are there, in the order of facilities."""
    pictures = []
    for listing in sorted(folder.glob("*.jsonl")):
        for line in listing.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            pictures.append(Picture(**(fields | {"contents": tuple(fields["contents"])})))
    return pictures


def main() -> None:
    """Renders one split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=sorted(FIRST_FACILITY), default="train")
    parser.add_argument("--facilities", type=int, default=500)
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.out / options.split
    folder.mkdir(parents=True, exist_ok=True)
    first = FIRST_FACILITY[options.split]
    work = partial(render_facility, folder=folder, scenes=options.scenes)
    with ProcessPoolExecutor(options.processes) as pool:
        made = sum(pool.map(work, range(first, first + options.facilities)))
    print(f"{made} new pictures in {folder}")


if __name__ == "__main__":
    main()
