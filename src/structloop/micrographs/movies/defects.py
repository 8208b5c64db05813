"""A camera's defects: listed in a text file, drawn in a map, or found in the sum of a movie's frames."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.core.errors import DefectsError
from structloop.micrographs.movies.files import identity_of
from structloop.micrographs.movies.gain import read_picture

BoolArray = NDArray[np.bool_]

_HOT_SIGMA = 7.0
_FEWEST_COUNTS = 2.0
_BLOCKS = 32
_SMALLEST_BLOCK_PX = 32


def read_defects(path: Path, shape: tuple[int, int]) -> BoolArray:
    """The defective pixels (y, x) of frames of `shape`.

    A text file has a defect per line as `x y width height` in pixels of the stored frame (MotionCor2's `-DefectFile`;
    `#` begins a comment); an MRC or TIFF file is a map in which defects are not 0.

    Raises:
        DefectsError: a line has not four whole numbers, a defect lies outside the frames, or the map has another size.
        ImageMissingError, ImageTruncatedError: the file is not there, or empty.
    """
    identity_of(path)
    start = path.read_bytes()[:4096]
    if b"\x00" in start:
        found = read_picture(path, "map of defects")
        if found.shape != shape:
            raise DefectsError(
                f"the map of defects {path} is {found.shape[1]} x {found.shape[0]}, the frames are {shape[1]} x "
                f"{shape[0]}; give the map of this camera and binning"
            )
        return np.asarray(found != 0)
    defects = np.zeros(shape, np.bool_)
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            x, y, width, height = (int(word) for word in words)
        except ValueError as error:
            raise DefectsError(
                f"{path}, line {number}: {line.strip()!r} is not `x y width height` in whole pixels"
            ) from error
        if min(x, y) < 0 or min(width, height) < 1 or x + width > shape[1] or y + height > shape[0]:
            raise DefectsError(
                f"{path}, line {number}: a defect of {width} x {height} at ({x}, {y}) reaches beyond frames of "
                f"{shape[1]} x {shape[0]}; give the list of this camera and binning"
            )
        defects[y : y + height, x : x + width] = True
    return defects


def find_hot_pixels(total: NDArray[Any], known: BoolArray | None = None) -> BoolArray:
    """Pixels that count far more than their neighbours, or nothing, in the sum of all frames (y, x).

    A hot pixel is 7 standard deviations of its neighbours' counts above their mean; a dead one has 0 where that would
    happen by chance once in a hundred pictures. Both are measured on blocks, so that ice or carbon of another
    brightness is not taken for either.

    Args:
        total: Sum of the frames, after gain.
        known: Defects that are known already; they are not looked at, and not in the result.
    """
    values = np.asarray(total, np.float32)
    if known is not None and known.any():
        values = np.where(known, np.float32(np.median(values[~known][::16])), values)
    height, width = values.shape
    tall, wide = (max(1, min(_BLOCKS, side // _SMALLEST_BLOCK_PX)) for side in (height, width))
    rows, columns = (np.linspace(0, side, count + 1).astype(int) for side, count in ((height, tall), (width, wide)))
    blocks = [[values[a:b, c:d] for c, d in pairwise(columns)] for a, b in pairwise(rows)]
    # Some thousand pixels are enough, and quartiles do not see the hot ones.
    quartiles = np.array(
        [[np.percentile(block.ravel()[:: max(1, block.size // 2000)], (25, 50, 75)) for block in row] for row in blocks]
    )
    low, middle, high = np.moveaxis(quartiles, -1, 0)
    # Counts of few electrons have quartiles that coincide; their deviation is the root of their mean.
    deviation = np.maximum((high - low) / 1.349, np.sqrt(np.maximum(middle, 1.0)))
    mean = ndimage.median_filter(middle, 3)
    # Where n electrons are expected, none comes with the probability exp(-n).
    by_chance = math.log(100 * values.size) ** 0.5
    found = np.zeros(values.shape, np.bool_)
    for i, (a, b) in enumerate(pairwise(rows)):
        for j, (c, d) in enumerate(pairwise(columns)):
            block = blocks[i][j]
            # Few counts are no Gaussian: three more are asked for.
            np.greater(block, mean[i, j] + _HOT_SIGMA * deviation[i, j] + 3, out=found[a:b, c:d])
            if mean[i, j] >= _FEWEST_COUNTS and mean[i, j] > by_chance * deviation[i, j]:
                found[a:b, c:d] |= block <= 0
    if known is not None:
        found &= ~known
    return found


__all__ = ["BoolArray", "find_hot_pixels", "read_defects"]
