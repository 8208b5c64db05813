"""Dense lumps: ice crystals, gold and aggregates, told from particles by their size or their darkness."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# In robust deviations of the picture smoothed to an eighth of a diameter.
_EDGE_SIGMA = 2.5
_CORE_SIGMA = 4.5
_BLACK_SIGMA = 11.0
# Particles repeat: what is this much darker than the twelfth darkest spot is none of them.
_REPEATS = 12
_BLACKER = 1.5
_RIM = 0.4
# A lump holds a disc wider than any chain of touching particles does.
_WIDTH_DIAMETERS = 1.5
_SMOOTH_DIAMETERS = 0.125
_BACKGROUND_DIAMETERS = 4.0


def dense_lumps(small: NDArray[np.float32], excluded: NDArray[np.bool_], diameter_px: float) -> NDArray[np.bool_]:
    """Places (y, x) covered by something denser, and larger or much darker, than particles.

    Args:
        small: (y, x), dense matter dark.
        excluded: (y, x), places that do not count (border, film).
        diameter_px: Particle diameter in pixels of `small`.
    """
    if (~excluded).sum() < 16:
        return np.zeros_like(excluded)
    smooth = ndimage.gaussian_filter(small, max(_SMOOTH_DIAMETERS * diameter_px, 0.8))
    middle = float(np.median(smooth[~excluded]))
    smooth = np.where(excluded, np.float32(0), smooth - np.float32(middle))
    # What is very dark must not pull its own background down.
    held = np.maximum(smooth, -2 * _spread(smooth[~excluded]))
    flat = smooth - _background(held, excluded, _BACKGROUND_DIAMETERS * diameter_px)
    spread = _spread(flat[~excluded])
    if spread <= 0:
        return np.zeros_like(excluded)
    dark = flat / spread
    dark[excluded] = 0
    # Where noise is next to nothing, the faint rims of particles would join them to one.
    repeated = _repeated_depth(dark, diameter_px)
    wide_lumps = _holding(dark < min(-_EDGE_SIGMA, _RIM * repeated), _WIDTH_DIAMETERS * diameter_px / 2)
    kept = _touched(wide_lumps, dark < -_CORE_SIGMA)
    black = min(-_BLACK_SIGMA, _BLACKER * repeated)
    kept |= _touched(dark < max(black / 2, -_CORE_SIGMA), dark < black)
    return np.asarray(kept)


def _background(values: NDArray[np.float32], excluded: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """What is smooth over `sigma` pixels, of what is not excluded; worked out on a coarser grid."""
    step = max(1, int(sigma / 6))
    rows, columns = (-(-side // step) for side in values.shape)
    rest = [(0, rows * step - values.shape[0]), (0, columns * step - values.shape[1])]
    counted = np.pad((~excluded).astype(np.float32), rest)
    total = np.pad(values, rest) * counted
    total, counted = (each.reshape(rows, step, columns, step).mean(axis=(1, 3)) for each in (total, counted))
    share = ndimage.gaussian_filter(counted, sigma / step)
    level = ndimage.gaussian_filter(total, sigma / step)
    coarse = np.divide(level, share, out=np.zeros_like(level), where=share > 0.02)
    wide = ndimage.zoom(coarse, step, order=1, grid_mode=True, mode="nearest") if step > 1 else coarse
    return np.asarray(wide[: values.shape[0], : values.shape[1]], np.float32)


def _repeated_depth(dark: NDArray[np.float32], diameter_px: float) -> float:
    """How dark the twelfth darkest spot is, spots no nearer than a diameter."""
    lowest = ndimage.minimum_filter(dark, size=2 * max(1, round(diameter_px / 2)) + 1)
    spots = np.sort(dark[(dark == lowest) & (dark < 0)])
    return float(spots[min(_REPEATS, len(spots)) - 1]) if len(spots) else 0.0


def _spread(values: NDArray[np.float32]) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _holding(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Parts of `mask` that hold a disc, wherever it is put in them (its opening), by distances: fast for any disc."""
    core = ndimage.distance_transform_edt(mask) > radius
    if not core.any():
        return np.zeros_like(mask)
    return np.asarray((ndimage.distance_transform_edt(~core) <= radius + 1) & mask)


def _touched(regions: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected regions that hold a seed."""
    labels, count = ndimage.label(regions)
    if count == 0:
        return np.zeros_like(regions)
    wanted = np.zeros(count + 1, np.bool_)
    wanted[np.unique(labels[seeds & regions])] = True
    wanted[0] = False
    return wanted[labels]


__all__ = ["dense_lumps"]
