"""Images made ready for finding: smaller, lit parts only, slow changes of brightness taken out."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]


def reduce(image: NDArray[np.generic], factor: int) -> FloatImage:
    """Averages over `factor` x `factor` blocks; what is left over at the right and below is cut off."""
    array = np.asarray(image, dtype=np.float32)
    if factor == 1:
        return array
    height, width = array.shape[0] // factor * factor, array.shape[1] // factor * factor
    blocks = array[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def recorded(image: FloatImage) -> Mask:
    """Pixels that were recorded: montages fill what they lack with one value, in large even areas."""
    even = ndimage.maximum_filter(image, 7) == ndimage.minimum_filter(image, 7)
    if not even.any():
        return np.ones(image.shape, dtype=bool)
    labels, count = ndimage.label(even)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    large = np.isin(labels, np.flatnonzero(sizes > 0.002 * image.size))
    return np.asarray(~ndimage.binary_dilation(large, iterations=4))


def otsu(values: NDArray[np.floating]) -> float:
    """The threshold that parts values into the two classes of least variance (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts, dtype=float)
    moment = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (moment[-1] * weight / weight[-1] - moment) ** 2 / (weight * (weight[-1] - weight))
    between[~np.isfinite(between)] = -1.0
    return float(edges[int(np.argmax(between)) + 1])


def lit(image: FloatImage, known: Mask) -> Mask:
    """Where the beam comes through film or holes: not grid bars, not what was not recorded.

    An image without grid bars is lit everywhere: the darker class must be much darker than the brighter one.
    """
    size = max(image.shape)
    smooth = ndimage.gaussian_filter(image, size / 200)
    values = smooth[known]
    low = float(np.percentile(values, 0.5))
    logs = np.log(np.maximum(values - min(low, 0.0), 1e-6) + 0.02 * float(np.ptp(np.percentile(values, [1, 99]))))
    threshold = otsu(logs)
    bright, dark = logs >= threshold, logs < threshold
    if not dark.any() or not bright.any():
        return known
    step = float(np.median(logs[bright]) - np.median(logs[dark]))
    if step < np.log(2.5) or dark.mean() < 0.02:
        return known
    mask = np.zeros(image.shape, dtype=bool)
    mask[known] = bright
    return np.asarray(ndimage.binary_opening(mask, iterations=max(2, round(size / 300))))


def away_from_edges(mask: Mask) -> Mask:
    """The mask without a rim, whose straight edges would look like something that repeats."""
    if mask.all():
        return mask
    distance = ndimage.distance_transform_edt(np.pad(mask, 1, constant_values=True))[1:-1, 1:-1]
    return np.asarray(distance > 0.03 * max(mask.shape))


def blur(image: FloatImage, sigma_px: float) -> FloatImage:
    """A Gaussian average; wide ones are taken on a reduced image, which is as good and much faster."""
    factor = int(sigma_px / 4)
    if factor < 2:
        return np.asarray(ndimage.gaussian_filter(image, sigma_px, truncate=3.0), dtype=np.float32)
    height, width = image.shape
    padded = np.pad(image, ((0, -height % factor), (0, -width % factor)), mode="edge")
    small = ndimage.gaussian_filter(reduce(padded, factor), sigma_px / factor, truncate=3.0)
    large = ndimage.zoom(small, factor, order=1, mode="nearest", grid_mode=True)
    return np.asarray(large[:height, :width], dtype=np.float32)


def flatten(image: FloatImage, mask: Mask, sigma_px: float, clip: float = 3.0) -> FloatImage:
    """Brightness against the surroundings, in units of the local scatter; 0 outside the mask.

    Args:
        image: `(y, x)`.
        mask: Which pixels count.
        sigma_px: Width of the Gaussian that the surroundings are averaged with.
        clip: Values beyond are set to it: bright tears and black lumps must not rule.
    """
    weight = np.maximum(blur(mask.astype(np.float32), sigma_px), 1e-3)
    mean = blur(np.where(mask, image, 0.0).astype(np.float32), sigma_px) / weight
    deviation = np.where(mask, image - mean, 0.0).astype(np.float32)
    scale = 1.4826 * float(np.median(np.abs(deviation[mask]))) if mask.any() else 1.0
    # Winsorised once before the local scatter is taken, so that one black lump does not flatten its neighbourhood.
    deviation = np.clip(deviation, -6 * scale, 6 * scale)
    variance = blur(deviation**2, 1.5 * sigma_px) / weight
    flat = deviation / np.sqrt(np.maximum(variance, (0.2 * scale) ** 2 + 1e-20))
    return np.asarray(np.where(mask, np.clip(flat, -clip, clip), 0.0), dtype=np.float32)


__all__ = ["FloatImage", "Mask", "away_from_edges", "blur", "flatten", "lit", "otsu", "recorded", "reduce"]
