"""Rings of the film apart from rings of the ice: a carbon edge must not pose as good ice.

Amorphous carbon gives strong rings whatever the ice beside it is like, so a fit to a whole picture with some of it in
says little. Where an edge of film is found, ice and film are fitted apart, and the ice is what counts. Where no edge is
found, rings that most tiles have and some entirely lack say the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.core.errors import CtfError
from structloop.imaging.film_edges import film_mask
from structloop.micrographs.ctf.fitting import CtfFit, CtfOptions, fit_ctf
from structloop.micrographs.ctf.local import LocalFit
from structloop.micrographs.ctf.transfer import Lens

# Texture of film and of ice is told apart at this scale, and pictures are averaged to about so many pixels a side.
_SCALE_ANGSTROM = 160.0
_SCALE_PX = 9.0
_LONGEST_SIDE_PX = 1024
# What is this near to an edge belongs to neither side.
_MARGIN_ANGSTROM = 150.0
# Of the strongest tiles' rings: a tile with less, surely, lacks them.
_LACKING = 0.3
_SURELY = 2.5
_LEAST_LACKING = 0.12
_COARSER = 1.5
_LEAST_PART = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class RegionFit:
    """A fit that knows of film.

    Attributes:
        fit: Of the ice where film was found, else of all.
        film_fit: Of the film, where there is enough of it.
        film: (y, x) on a coarse grid over the micrograph, True on film; None where none was found.
        film_share: Of the area.
        lacking_share: Share of tiles that lack the rings that the strongest have.
        posing: Whether the rings that a fit of everything shows are not those of the ice.
        reason: Why, in words; "" where they are.
    """

    fit: CtfFit
    film_fit: CtfFit | None
    film: NDArray[np.bool_] | None
    film_share: float
    lacking_share: float
    posing: bool
    reason: str

    @property
    def good(self) -> bool:
        """Whether the ice has rings that are to be believed."""
        return self.fit.good and not self.posing


def find_film(pixels: NDArray[np.generic], pixel_size_angstrom: float) -> NDArray[np.bool_] | None:
    """Where support film is, (y, x) on a coarse grid over the micrograph; None without a sure edge.

    Args:
        pixels: (y, x), what is dense dark.
        pixel_size_angstrom: Of the pixels.
    """
    factor = max(int(_SCALE_ANGSTROM / pixel_size_angstrom / _SCALE_PX), -(-max(pixels.shape) // _LONGEST_SIDE_PX), 1)
    factor = min(factor, max(1, min(pixels.shape) // 64))
    rows, columns = (side // factor for side in pixels.shape)
    cut = np.asarray(pixels[: rows * factor, : columns * factor], np.float32)
    small = cut.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    scale = max(_SCALE_ANGSTROM / pixel_size_angstrom / factor, 4.0)
    found = film_mask(small, np.zeros(small.shape, np.bool_), scale)
    return found if found.any() else None


def fit_regions(
    pixels: NDArray[np.generic],
    pixel_size_angstrom: float,
    lens: Lens,
    options: CtfOptions | None = None,
    *,
    masked: NDArray[np.bool_] | None = None,
) -> RegionFit:
    """Fits the ice, and the film beside it if there is one; arguments as of `fit_ctf`.

    Raises:
        CtfError: as `fit_ctf`.
    """
    options = options or CtfOptions(locally=True)
    film = find_film(pixels, pixel_size_angstrom)
    if film is None:
        fit = fit_ctf(pixels, pixel_size_angstrom, lens, options, masked=masked)
        return _without_film(fit)
    margin = round(_MARGIN_ANGSTROM / pixel_size_angstrom * film.shape[0] / pixels.shape[0])
    share = float(film.mean())
    widened = ndimage.binary_dilation(film, iterations=max(margin, 1))
    narrowed = ndimage.binary_erosion(film, iterations=max(margin, 1), border_value=1)
    film_fit = _part(pixels, pixel_size_angstrom, lens, options, _either(~narrowed, masked), share)
    ice_fit = _part(pixels, pixel_size_angstrom, lens, options, _either(widened, masked), 1 - share)
    if ice_fit is None:
        whole = film_fit or fit_ctf(pixels, pixel_size_angstrom, lens, options, masked=masked)
        reason = f"film covers {share:.0%} of the picture: too little ice is left to judge"
        return RegionFit(whole, film_fit, film, share, 0.0, True, reason)
    reason = _compared(ice_fit, film_fit, share)
    return RegionFit(ice_fit, film_fit, film, share, 0.0, bool(reason), reason)


def _part(
    pixels: NDArray[np.generic],
    pixel_size_angstrom: float,
    lens: Lens,
    options: CtfOptions,
    masked: NDArray[np.bool_],
    share: float,
) -> CtfFit | None:
    if share < _LEAST_PART:
        return None
    try:
        return fit_ctf(pixels, pixel_size_angstrom, lens, options, masked=masked)
    except CtfError:
        # Too thin a strip for a single tile: that part is not judged.
        return None


def _either(one: NDArray[np.bool_], other: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Two masks in one, on the grid of the first."""
    if other is None:
        return one
    rows = np.minimum((np.arange(one.shape[0]) + 0.5) * other.shape[0] / one.shape[0], other.shape[0] - 1)
    columns = np.minimum((np.arange(one.shape[1]) + 0.5) * other.shape[1] / one.shape[1], other.shape[1] - 1)
    return np.asarray(one | other[np.ix_(rows.astype(np.intp), columns.astype(np.intp))])


def _compared(ice: CtfFit, film: CtfFit | None, share: float) -> str:
    """Why the ice is not what the whole looks like; "" where it is."""
    if not ice.good:
        seen = f"; the film, {share:.0%} of the picture, has rings" if film is not None and film.good else ""
        return f"the ice beside the film has no rings that are to be believed{seen}"
    if film is None or not film.good or film.fit_resolution_angstrom is None or ice.fit_resolution_angstrom is None:
        return ""
    if ice.fit_resolution_angstrom > _COARSER * film.fit_resolution_angstrom:
        return (
            f"the ice has rings to {ice.fit_resolution_angstrom:.1f} angstrom, the film beside it to "
            f"{film.fit_resolution_angstrom:.1f}: the picture is good on the film only"
        )
    return ""


def _without_film(fit: CtfFit) -> RegionFit:
    lacking = 0.0 if fit.local is None or not fit.good else lacking_share(fit.local)
    posing = lacking >= _LEAST_LACKING
    reason = ""
    if posing:
        reason = f"{lacking:.0%} of the picture lacks the rings that the rest has: they may be those of film"
    return RegionFit(fit, None, None, 0.0, lacking, posing, reason)


def lacking_share(local: LocalFit) -> float:
    """Share of the tiles that surely lack the rings which the strongest have."""
    known = np.isfinite(local.strength_spread)
    if known.sum() < 4:
        return 0.0
    strength, spread = local.strength[known], local.strength_spread[known]
    strong = float(np.quantile(strength, 0.9))
    return float((strength + _SURELY * spread < _LACKING * strong).mean()) if strong > 0 else 0.0


__all__ = ["RegionFit", "find_film", "fit_regions", "lacking_share"]
