"""From a stored micrograph to what pickers see: one sampling per diameter, even background, one contrast and spread."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.core.errors import ImageError, ParticlesError
from structloop.imaging.resampling import plan_resampling, resample
from structloop.models.pickers.protocol import WorkingMicrograph

WORKING_DIAMETER_PX = 13.0
"""Pixels per particle diameter that the shipped pickers work at: fine enough to tell neighbours apart, and as coarse as
keeps a noisy particle's power in few pixels."""

_BACKGROUND_DIAMETERS = 1.5
_CLIP = 6.0
_SMALLEST_DIAMETERS = 2.0
_ENOUGH = 200_000


def prepare(
    pixels: NDArray[np.generic],
    *,
    diameter_px: float,
    mask: NDArray[np.bool_] | None = None,
    contrast: str = "dark",
    working_diameter_px: float = WORKING_DIAMETER_PX,
) -> WorkingMicrograph:
    """A micrograph as pickers see it.

    It is Fourier-cropped to `working_diameter_px` per diameter, freed of background wider than about three diameters
    (ice, illumination), turned to dark particles, and scaled to median 0 and robust deviation 1 over what is unmasked.

    Args:
        pixels: (height, width), any number type.
        diameter_px: Diameter of the particle, stored pixels.
        mask: (height, width) of any sampling over the same picture, True where nothing is to be picked.
        contrast: Particles are `dark` or `bright` in the stored micrograph.
        working_diameter_px: Working pixels per diameter.

    Raises:
        ParticlesError: The diameter is not above 0, or the micrograph is narrower than two diameters.
        ImageError: A pixel is not a finite number, or all are the same.
    """
    if not (math.isfinite(diameter_px) and diameter_px > 0):
        raise ParticlesError(f"the particle's diameter is {diameter_px} px; give one above 0")
    if contrast not in {"dark", "bright"}:
        raise ParticlesError(f"contrast is '{contrast}'; particles are 'dark' or 'bright'")
    if pixels.ndim != 2:
        raise ImageError(f"a micrograph has two dimensions, (height, width); this has shape {pixels.shape}")
    height, width = pixels.shape
    if min(height, width) < _SMALLEST_DIAMETERS * diameter_px:
        raise ParticlesError(
            f"a micrograph of {width} x {height} px is narrower than two particles of {diameter_px:g} px: is the "
            "diameter given in pixels of the stored micrograph?"
        )
    stored = np.asarray(pixels, np.float32)
    if not np.isfinite(stored).all():
        raise ImageError("a pixel of the micrograph is not a finite number (NaN or infinity); export it again")
    plan = plan_resampling((height, width), diameter_px / working_diameter_px)
    masked = np.ones(plan.shape, np.bool_)
    masked[: plan.inside[0], : plan.inside[1]] = False if mask is None else _over(mask, plan.inside)
    if mask is not None:
        stored = _filled(stored, _over(mask, stored.shape))
    small = resample(stored - np.float32(stored.mean(dtype=np.float64)), plan)
    return WorkingMicrograph(
        pixels=even(small, masked, working_diameter_px, sign=-1.0 if contrast == "bright" else 1.0),
        mask=masked,
        scale=plan.scale,
        native_shape=(height, width),
    )


def even(
    small: NDArray[np.float32],
    masked: NDArray[np.bool_],
    working_diameter_px: float = WORKING_DIAMETER_PX,
    *,
    sign: float = 1.0,
) -> NDArray[np.float32]:
    """The second half of `prepare`: background and spread of a picture at the working sampling; clipped to +-6.

    Raises:
        ImageError: All pixels outside the mask are the same.
    """
    counted = (~masked).astype(np.float32) if not masked.all() else np.ones_like(small)
    sigma = _BACKGROUND_DIAMETERS * working_diameter_px
    # Masked places (carbon, a streaked border) would shine into the background beside them.
    share = ndimage.gaussian_filter(counted, sigma, mode="reflect", truncate=3.0)
    level = ndimage.gaussian_filter(small * counted, sigma, mode="reflect", truncate=3.0)
    flat = small - np.divide(level, share, out=np.zeros_like(level), where=share > 1e-3)
    counting = flat[counted > 0]
    middle = float(np.median(counting))
    spread = 1.4826 * float(np.median(np.abs(counting - middle)))
    if not spread > 1e-6 * max(1e-30, float(np.abs(small).max())):
        raise ImageError("all pixels of the micrograph are the same; there is nothing to pick in it")
    return np.asarray(np.clip((flat - middle) * np.float32(sign / spread), -_CLIP, _CLIP), np.float32)


def _over(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of any sampling, over a picture of `shape`."""
    if mask.ndim != 2 or 0 in mask.shape:
        raise ParticlesError(f"a mask has two dimensions, (height, width); this has shape {mask.shape}")
    rows, columns = (
        np.minimum(((np.arange(count) + 0.5) * have / count).astype(np.intp), have - 1)
        for count, have in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask, np.bool_)[np.ix_(rows, columns)]


def _filled(stored: NDArray[np.float32], masked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The picture with what is masked at the level of the rest: the edge of gold would ring far into the ice."""
    if masked.all() or not masked.any():
        return stored
    counting = stored[~masked]
    level = np.median(counting[:: max(1, len(counting) // _ENOUGH)])
    return np.where(masked, level, stored)


__all__ = ["WORKING_DIAMETER_PX", "even", "prepare"]
