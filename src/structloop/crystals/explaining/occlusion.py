"""Which places of an image a score rests on: parts are hidden one after the other, and the score is asked for again.

After the occlusion maps of Zeiler & Fergus, "Visualizing and understanding convolutional networks" (ECCV 2014), with
two differences. Drops hold straight edges that matter, so what hides a place has soft edges and the blurred image
behind it instead of a grey square. Crystals are of any size, so places of two sizes are hidden and the two maps
averaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from structloop.core.errors import ImageError, JobCanceledError
from structloop.crystals.scoring.pipeline import score_images
from structloop.models.classifiers.protocol import Classifier
from structloop.schema.images import Modality

Floats = NDArray[np.float64]
Tell = Callable[[int, int | None, str], None]

CELLS = 12
FEWEST_CELLS, MOST_CELLS = 2, 48
METHOD = "1"
"""Changed whenever the same image and model would give another map."""

_BLURRED_PX = 256


@dataclass(frozen=True, eq=False)
class OcclusionPass:
    """What one size of hidden places did.

    Attributes:
        changes: `(rows, columns)`: the probability of the whole image less that with the place hidden.
    """

    changes: Floats


@dataclass(frozen=True, eq=False)
class OcclusionMap:
    """What hiding places of an image does to its crystal probability.

    Attributes:
        probability: Calibrated, of the image as it is.
        passes: Of small places, then of large ones.
        width_px, height_px: Of the image.
    """

    probability: float
    passes: tuple[OcclusionPass, ...]
    width_px: int
    height_px: int

    def at(self, longest_px: int = 128) -> Floats:
        """The map `(y, x)`, its longer side so many pixels, in changes of probability.

        Each pixel is the mean over the places that hide it, weighted by how much they do, then over both sizes.
        Positive: what is there speaks for a crystal.
        """
        scale = longest_px / max(self.width_px, self.height_px)
        width, height = max(1, round(self.width_px * scale)), max(1, round(self.height_px * scale))
        return np.asarray(np.mean([_spread(each.changes, height, width) for each in self.passes], axis=0))


@dataclass(frozen=True, slots=True)
class _Place:
    left: int
    top: int
    mask: Image.Image


def occlusion_map(
    classifier: Classifier,
    image: Image.Image,
    modality: Modality,
    *,
    cells: int = CELLS,
    batch_size: int = 16,
    threads: int | None = None,
    on_progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> OcclusionMap:
    """Hides places of an image one after the other and scores what is left, a batch per call of the model.

    Args:
        classifier: Of any family; it sees whole images, as in scoring.
        image: Decoded, 8-bit.
        modality: How it was taken.
        cells: Small places along the longer side; of the large ones there are half as many.
        batch_size: Images per call of the network.
        threads: Threads that hide and prepare; None: one per core.
        on_progress: Called with images scored, images in all, and what is done.
        should_stop: Asked between batches.

    Raises:
        ValueError: `cells` is out of range.
        ImageError: the model cannot use the image.
        UnsupportedModalityError: the model does not serve `modality`.
        JobCanceledError: `should_stop` said so.
    """
    if not FEWEST_CELLS <= cells <= MOST_CELLS:
        raise ValueError(f"cells = {cells} must be from {FEWEST_CELLS} to {MOST_CELLS}")
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    grids = [_grid(plain.size, cells), _grid(plain.size, max(FEWEST_CELLS, cells // 2))]
    looks: list[Callable[[], Image.Image]] = [plain.copy]
    for rows, columns in grids:
        behind = _blurred(plain, max(plain.size) / max(rows, columns))
        looks += [
            partial(_hidden, plain, behind, (rows, columns), (row, column))
            for row in range(rows)
            for column in range(columns)
        ]
    found: list[float] = []
    batches = score_images(classifier, looks, lambda look: look(), modality, batch_size=batch_size, threads=threads)
    for batch in batches:
        for outcome in batch:
            if outcome.probability is None:
                raise outcome.error or ImageError("the model gives no number for this image")
            found.append(outcome.probability)
        if on_progress is not None:
            on_progress(len(found), len(looks), "hiding parts of the image")
        if should_stop is not None and len(found) < len(looks) and should_stop():
            batches.close()
            raise JobCanceledError("the occlusion map was stopped before it was done")
    passes, start = [], 1
    for rows, columns in grids:
        hidden = np.array(found[start : start + rows * columns]).reshape(rows, columns)
        passes.append(OcclusionPass(found[0] - hidden))
        start += rows * columns
    return OcclusionMap(found[0], tuple(passes), plain.width, plain.height)


def _grid(size: tuple[int, int], cells: int) -> tuple[int, int]:
    """Rows and columns of nearly square places, `cells` along the longer side."""
    step = max(size) / cells
    return max(1, round(size[1] / step)), max(1, round(size[0] / step))


def _window(length: int, cells: int, cell: int) -> Floats:
    """How much place `cell` of `cells` hides along `length` pixels: whole within, falling by cosine to the next middle.

    At the image's edges it does not fall: what lies there is hidden as wholly as elsewhere.
    """
    step = length / cells
    away = np.abs((np.arange(length) + 0.5) - (cell + 0.5) * step) / step
    window = np.where(away <= 0.5, 1.0, 0.5 * (1 + np.cos(np.pi * np.clip(2 * away - 1, 0, 1))))
    return np.asarray(window, dtype=np.float64)


def _hidden(image: Image.Image, behind: Image.Image, grid: tuple[int, int], place: tuple[int, int]) -> Image.Image:
    down, across = _window(image.height, grid[0], place[0]), _window(image.width, grid[1], place[1])
    top, bottom = _extent(down)
    left, right = _extent(across)
    mask = np.rint(255 * np.outer(down[top:bottom], across[left:right])).astype(np.uint8)
    copy = image.copy()
    copy.paste(behind.crop((left, top, right, bottom)), (left, top), Image.fromarray(mask))
    return copy


def _extent(window: Floats) -> tuple[int, int]:
    there = np.flatnonzero(window > 0)
    return int(there[0]), int(there[-1]) + 1


def _blurred(image: Image.Image, step_px: float) -> Image.Image:
    """The image without anything smaller than a place; made small first, as nothing small is left in it anyway."""
    scale = min(1.0, _BLURRED_PX / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BOX) if scale < 1 else image
    blurred = small.filter(ImageFilter.GaussianBlur(max(1.0, step_px * scale)))
    return blurred.resize(image.size, Image.Resampling.BICUBIC) if scale < 1 else blurred


def _spread(changes: Floats, height: int, width: int) -> Floats:
    rows, columns = changes.shape
    down = np.stack([_window(height, rows, row) for row in range(rows)])
    across = np.stack([_window(width, columns, column) for column in range(columns)])
    weighted = down.T @ changes @ across
    weights = np.outer(down.sum(axis=0), across.sum(axis=0))
    return np.asarray(weighted / weights)


__all__ = ["CELLS", "FEWEST_CELLS", "METHOD", "MOST_CELLS", "OcclusionMap", "OcclusionPass", "occlusion_map"]
