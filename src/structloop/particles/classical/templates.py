"""Template matching: averages of labelled particles, turned, and correlated with the whitened micrograph.

Roseman, Ultramicroscopy 94 (2003) 225 (locally normalised correlation); the averages are made as reference-free classes
are (Penczek et al., Ultramicroscopy 63 (1996) 205): every crop goes to the class, in the turn, that it fits best.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.models.pickers import WorkingMicrograph
from structloop.particles.classical.blobs import in_deviations

TURNS = 24
_SIZE_DIAMETERS = 1.6
_ROUNDS = 6
_MOST_CROPS = 800


def crop_size(working_diameter_px: float) -> int:
    """Side of a template, working pixels; odd."""
    return 2 * round(_SIZE_DIAMETERS * working_diameter_px / 2) + 1


def whitened(pixels: NDArray[np.float32], mask: NDArray[np.bool_], *, times: int = 1) -> NDArray[np.float32]:
    """A picture (y, x) whose radial power is even: in such noise, plain correlation is the best detector.

    Twice whitened, it is to be correlated with what is not whitened itself.
    """
    calm = np.where(mask, np.float32(0), pixels)
    height, width = calm.shape
    spectrum = fft.rfft2(calm)
    k = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :])
    rings = np.minimum((k * 2 * 64).astype(np.intp), 63)
    total = np.bincount(rings.ravel(), (np.abs(spectrum) ** 2).ravel(), 64)
    mean = ndimage.gaussian_filter1d(total / np.maximum(np.bincount(rings.ravel(), minlength=64), 1), 1.0)
    # Where almost nothing is left (a low-pass filter, a zero of the CTF), there is nothing to bring up but rounding.
    gain = 1 / np.sqrt(np.maximum(mean, 0.01 * mean.max()))
    even = fft.irfft2(spectrum * (gain**times)[rings], s=calm.shape)
    return np.asarray(even / max(float(even.std()), 1e-12), np.float32)


def make_templates(
    micrographs: Sequence[WorkingMicrograph],
    centres_px: Sequence[NDArray[np.float64]],
    *,
    working_diameter_px: float,
    classes: int,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Averages (classes, side, side) of labelled particles, each of norm 1 and mean 0 within its circle.

    Args:
        micrographs: What the labels are of.
        centres_px: Centres (n, 2) in stored pixels, per micrograph.
        working_diameter_px: Working pixels per diameter.
        classes: How many averages; fewer where there are fewer than five particles for each.
        seed: Decides which particles the classes begin with.

    Raises:
        ValueError: no particle lies wholly inside its micrograph.
    """
    side = crop_size(working_diameter_px)
    crops = np.concatenate(
        [
            _crops(whitened(micrograph.pixels, micrograph.mask), micrograph.to_working(centres), side)
            for micrograph, centres in zip(micrographs, centres_px, strict=True)
        ]
    )
    if not len(crops):
        raise ValueError("no labelled particle lies wholly inside its micrograph")
    draw = np.random.default_rng(seed)
    if len(crops) > _MOST_CROPS:
        crops = crops[draw.choice(len(crops), _MOST_CROPS, replace=False)]
    classes = max(1, min(classes, len(crops) // 5))
    circle = _circle(side)
    crops = _normalised(crops, circle)
    turned = np.stack([_turned(crops, 360.0 * turn / TURNS) for turn in range(TURNS)], axis=1) * circle
    averages = _normalised(crops[draw.choice(len(crops), classes, replace=False)], circle)
    # One crop is mostly noise; from classes that begin smooth, the second round already sees shapes.
    averages = _normalised(ndimage.gaussian_filter(averages, (0, 1.5, 1.5)), circle)
    flat = turned.reshape(len(crops), TURNS, -1)
    for _ in range(_ROUNDS):
        fit = flat @ averages.reshape(classes, -1).T
        best = fit.reshape(len(crops), -1).argmax(axis=1)
        turn, kind = np.divmod(best, classes)
        for each in range(classes):
            members = np.flatnonzero(kind == each)
            if len(members):
                averages[each] = turned[members, turn[members]].mean(axis=0)
        averages = _normalised(averages, circle)
    return averages


def template_response(
    micrograph: WorkingMicrograph, templates: NDArray[np.float32], *, plain: bool = False
) -> NDArray[np.float32]:
    """The best correlation (y, x) with any template in any turn, in robust deviations of the picture.

    Args:
        micrograph: Where to look.
        templates: (n, side, side).
        plain: They are round, and were not made of whitened particles.
    """
    pixels = whitened(micrograph.pixels, micrograph.mask, times=2 if plain else 1)
    turns = 1 if plain else TURNS
    height, width = pixels.shape
    side = templates.shape[1]
    shape = (fft.next_fast_len(height + side), fft.next_fast_len(width + side))
    spectrum = fft.rfft2(pixels, s=shape)
    circle = _circle(side)
    best = np.full((height, width), -np.inf, np.float32)
    half = side // 2
    for turn in range(turns):
        for template in _turned(templates, 360.0 * turn / turns) * circle:
            product = spectrum * np.conj(fft.rfft2(template, s=shape))
            correlation = np.roll(fft.irfft2(product, s=shape), (half, half), axis=(0, 1))
            np.maximum(best, correlation[:height, :width], out=best)
    area = float(circle.sum())
    mean = ndimage.gaussian_filter(pixels, side / 4)
    local = np.sqrt(np.maximum(ndimage.gaussian_filter(pixels**2, side / 4) - mean**2, 0.05)) * np.sqrt(area)
    return in_deviations(np.asarray(best / local, np.float32), micrograph.mask)


def _crops(pixels: NDArray[np.float32], centres: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    half = side // 2
    offsets = np.arange(-half, half + 1)
    height, width = pixels.shape
    inside = (centres >= half).all(axis=1) & (centres[:, 0] < width - half - 1) & (centres[:, 1] < height - half - 1)
    kept = centres[inside]
    rows = kept[:, 1][:, None, None] + offsets[None, :, None] + np.zeros((1, 1, side))
    columns = kept[:, 0][:, None, None] + offsets[None, None, :] + np.zeros((1, side, 1))
    return np.asarray(ndimage.map_coordinates(pixels, [rows, columns], order=1), np.float32)


def _circle(side: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:side, :side] - side // 2
    return np.asarray(np.clip(side / 2 - np.hypot(x, y), 0, 1), np.float32)


def _normalised(crops: NDArray[np.float32], circle: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = (crops * circle).sum(axis=(1, 2), keepdims=True) / circle.sum()
    flat = (crops - mean) * circle
    norm = np.sqrt((flat**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(flat / np.maximum(norm, 1e-12), np.float32)


def _turned(crops: NDArray[np.float32], angle_deg: float) -> NDArray[np.float32]:
    if angle_deg == 0:
        return crops
    return np.asarray(ndimage.rotate(crops, angle_deg, axes=(2, 1), reshape=False, order=1), np.float32)


__all__ = ["TURNS", "crop_size", "make_templates", "template_response", "whitened"]
