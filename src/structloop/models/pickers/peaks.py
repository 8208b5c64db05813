"""From a map of scores to places: each particle once, touching neighbours apart, to a fraction of a working pixel."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from structloop.models.pickers.protocol import ScoreMap, WorkingMicrograph

MIN_DISTANCE_DIAMETERS = 0.45
"""Particles in projection overlap; two picks nearer than this are taken for one."""

FLOOR = 0.02
"""Raw scores below it are not looked at."""

_SMOOTH_PX = 1.0


def find_peaks(
    score_map: ScoreMap,
    micrograph: WorkingMicrograph,
    *,
    working_diameter_px: float = 13.0,
    min_distance_diameters: float = MIN_DISTANCE_DIAMETERS,
    floor: float = FLOOR,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The particles in a micrograph, best first.

    Peaks are taken from high to low, and each removes the lower ones within `min_distance_diameters`, after every peak
    was moved to where its neighbourhood says that the centre is.

    Args:
        score_map: What a picker said.
        micrograph: What it was said of; peaks in its mask, or off the stored micrograph, are left out.
        working_diameter_px: Working pixels per diameter.
        min_distance_diameters: Least distance between two picks.
        floor: Least raw score.

    Returns:
        Centres (n, 2) in stored pixels, and raw scores (n,) from 0 to 1.

    Raises:
        ValueError: Map and micrograph are not of one shape.
    """
    if score_map.probability.shape != micrograph.pixels.shape:
        raise ValueError(f"the map {score_map.probability.shape} is not of the micrograph {micrograph.pixels.shape}")
    height, width = score_map.probability.shape
    smooth = ndimage.gaussian_filter(score_map.probability, _SMOOTH_PX, mode="nearest")
    # Smoothing lowers a peak; the score is what the map says there.
    highest = (smooth == ndimage.maximum_filter(smooth, size=3, mode="nearest")) & (smooth > 0)
    rows, columns = np.nonzero(highest)
    raw = np.asarray(ndimage.maximum_filter(score_map.probability, size=3, mode="nearest")[rows, columns], np.float64)
    kept = raw >= floor
    rows, columns, raw, ranks = rows[kept], columns[kept], raw[kept], smooth[rows[kept], columns[kept]]
    xy = _refined(score_map, rows, columns) if score_map.offsets_px is not None else _summits(smooth, rows, columns)
    native = micrograph.to_native(xy)
    row = np.clip(np.rint(xy[:, 1]).astype(np.intp), 0, height - 1)
    column = np.clip(np.rint(xy[:, 0]).astype(np.intp), 0, width - 1)
    tall, wide = micrograph.native_shape
    inside = (native > -0.5).all(axis=1) & (native[:, 0] < wide - 0.5) & (native[:, 1] < tall - 0.5)
    allowed = inside & ~micrograph.mask[row, column]
    xy, native, raw, ranks = xy[allowed], native[allowed], raw[allowed], ranks[allowed]
    # Ties are broken by place, so that the result depends on the map alone.
    order = np.lexsort((xy[:, 0], xy[:, 1], -ranks, -raw))
    first = order[_apart(xy[order], min_distance_diameters * working_diameter_px)]
    return native[first], raw[first]


def _refined(score_map: ScoreMap, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Centres (n, 2) in working pixels: the mean, weighted by the scores, of what the 3 x 3 pixels around say."""
    height, width = score_map.probability.shape
    around = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1).reshape(-1, 2)
    row = np.clip(rows[:, None] + around[:, 0], 0, height - 1)
    column = np.clip(columns[:, None] + around[:, 1], 0, width - 1)
    weight = score_map.probability[row, column].astype(np.float64) + 1e-9
    x, y = column.astype(np.float64), row.astype(np.float64)
    if score_map.offsets_px is not None:
        x = x + score_map.offsets_px[0][row, column]
        y = y + score_map.offsets_px[1][row, column]
    total = weight.sum(axis=1)
    return np.stack([(x * weight).sum(axis=1) / total, (y * weight).sum(axis=1) / total], axis=1)


def _summits(smooth: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Centres (n, 2) in working pixels where a picker gives no offsets: summits of parabolas along x and along y."""
    height, width = smooth.shape

    def shift(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
        bend = 2.0 * smooth[rows, columns].astype(np.float64) - before - after
        half = (after.astype(np.float64) - before) / 2
        return np.asarray(np.clip(np.divide(half, bend, out=np.zeros_like(half), where=bend > 1e-12), -0.5, 0.5))

    left, right = smooth[rows, np.maximum(columns - 1, 0)], smooth[rows, np.minimum(columns + 1, width - 1)]
    above, below = smooth[np.maximum(rows - 1, 0), columns], smooth[np.minimum(rows + 1, height - 1), columns]
    return np.stack([columns + shift(left, right), rows + shift(above, below)], axis=1)


def _apart(xy: NDArray[np.float64], distance: float) -> NDArray[np.intp]:
    """Indices, in their order, of those that no kept earlier one is nearer to than `distance`."""
    if len(xy) == 0 or distance <= 0:
        return np.arange(len(xy))
    dropped = np.zeros(len(xy), np.bool_)
    # Pairs (i, j) with i < j: the one that came first wins.
    pairs = cKDTree(xy).query_pairs(distance, output_type="ndarray")
    for winner, loser in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if not dropped[winner]:
            dropped[loser] = True
    return np.nonzero(~dropped)[0]


__all__ = ["FLOOR", "MIN_DISTANCE_DIAMETERS", "find_peaks"]
