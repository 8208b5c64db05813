"""Missing values of a feature, guessed from the holes around: holes of one patch, square and tile are alike."""

import numpy as np

from structloop.grids.targeting.holes import FloatArray, Groups, IntArray

TILE_SHARE, SQUARE_SHARE, PATCH_SHARE, HOLE_SHARE = 0.15, 0.12, 0.15, 0.57
"""Shares of the variance of what is seen of holes (log CTF resolution of a recorded session of 3,538 exposures)."""


def impute(values: FloatArray, groups: Groups) -> FloatArray:
    """`values` with each missing one replaced by what its neighbours let expect.

    The mean of a patch is drawn towards that of its square, the square's towards its tile's, the tile's towards that of
    all, the more so the fewer values a group has: the shrinkage of a nested random-effects model, with the variance
    shares of this module, taken level by level.

    Args:
        values: Shape (n_holes,), NaN where missing.
        groups: The tree of the same holes.

    Returns:
        Shape (n_holes,), without NaN; zeros where no value is there at all.
    """
    there = ~np.isnan(values)
    if there.all() or not there.any():
        return np.where(there, values, 0.0)
    known = np.where(there, values, 0.0)
    overall = np.full(len(groups.tile_names), known.sum() / there.sum())
    tile = _shrunken(known, there, groups.tile, overall, (SQUARE_SHARE + PATCH_SHARE + HOLE_SHARE) / TILE_SHARE)
    square = _shrunken(
        known, there, groups.square, tile[groups.tile_of_square], (PATCH_SHARE + HOLE_SHARE) / SQUARE_SHARE
    )
    patch = _shrunken(known, there, groups.patch, square[groups.square_of_patch], HOLE_SHARE / PATCH_SHARE)
    return np.where(there, values, patch[groups.patch])


def _shrunken(
    known: FloatArray, there: np.ndarray, group: IntArray, towards: FloatArray, strength: float
) -> FloatArray:
    """Mean of each group, with `towards` counting as `strength` further values. Shape (n_groups,)."""
    total = np.bincount(group, weights=known, minlength=len(towards))
    count = np.bincount(group, weights=there.astype(np.float64), minlength=len(towards))
    means: FloatArray = (total + strength * towards) / (count + strength)
    return means


__all__ = ["impute"]
