"""Thickness of ice from intensities.

Fewer electrons reach the camera through thicker ice: I = I0 exp(-t / mfp) (Beer & Lambert). What the mean free path
stands for depends on the microscope: behind an energy filter, electrons that lost energy are gone, and it is the
inelastic one; without, only those that an aperture stops are, and it is longer and must be calibrated (Rice et al., J.
Struct. Biol. 204 (2018) 38, measure both ways). Without a mean free path the thickness is only known in units
of it; against the thinnest place instead of vacuum, only the difference to that place is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import IceError

ReferenceKind = Literal["vacuum", "thinnest"]

_SAMPLE = 4_000_000
_LEAST_COUNTS = 1e-6


@dataclass(frozen=True, slots=True)
class IceReference:
    """What an intensity is compared with.

    Attributes:
        intensity: Mean per pixel, in the same units and for the same dose as the micrograph.
        kind: `vacuum` (an empty hole, or no specimen), or `thinnest` (the thinnest place that was seen).
        spread: Standard deviation of that mean, same units; 0 where it is not known.
    """

    intensity: float
    kind: ReferenceKind
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.intensity) and self.intensity > 0):
            raise IceError(f"the reference's intensity is {self.intensity}; give the mean per pixel, above 0")
        if not (math.isfinite(self.spread) and self.spread >= 0):
            raise IceError(f"the reference's spread is {self.spread}; give 0 or more")


@dataclass(frozen=True, slots=True)
class Transmitted:
    """What a micrograph lets through; all that a later comparison with a reference needs.

    Attributes:
        intensity: Mean per pixel.
        uneven: Standard deviation over the micrograph's parts (8 x 8), in mean free paths.
        spread: Standard deviation of the mean.
    """

    intensity: float
    uneven: float
    spread: float


@dataclass(frozen=True, slots=True)
class IceThickness:
    """How thick ice is.

    Attributes:
        relative: In mean free paths: ln(reference / intensity).
        thickness_nm: Where a mean free path was given, else None.
        spread_nm: Standard deviation that the reference and the counts leave; None without a thickness.
        uneven: Standard deviation over the micrograph's parts (8 x 8), in mean free paths.
        method: In words: what was compared with what, and by which mean free path.
        remarks: What a person should know.
    """

    relative: float
    thickness_nm: float | None
    spread_nm: float | None
    uneven: float
    method: str
    remarks: tuple[str, ...] = ()


def ice_thickness(
    pixels: NDArray[np.generic],
    reference: IceReference,
    *,
    mean_free_path_nm: float | None = None,
    masked: NDArray[np.bool_] | None = None,
) -> IceThickness:
    """Thickness by Beer and Lambert's law.

    Args:
        pixels: (y, x), proportional to electrons: not filtered, not normalised, of the reference's dose.
        reference: What to compare with.
        mean_free_path_nm: Of this microscope; without it the result is relative.
        masked: True where there is something else than ice (film, lumps); of any size, stretched over the micrograph.

    Raises:
        IceError: intensities are not above 0 (a normalised picture), everything is masked, or the mean free path is
            not above 0.
    """
    _check_path(mean_free_path_nm)
    return ice_of(transmitted(pixels, masked), reference, mean_free_path_nm=mean_free_path_nm)


def transmitted(pixels: NDArray[np.generic], masked: NDArray[np.bool_] | None = None) -> Transmitted:
    """What a micrograph lets through; arguments and errors as of `ice_thickness`."""
    return Transmitted(*_transmitted(pixels, masked))


def ice_of(seen: Transmitted, reference: IceReference, *, mean_free_path_nm: float | None = None) -> IceThickness:
    """Thickness by Beer and Lambert's law, from what was measured before.

    Args:
        seen: Of the micrograph.
        reference: What to compare with.
        mean_free_path_nm: Of this microscope; without it the result is relative.

    Raises:
        IceError: the mean free path is not above 0.
    """
    _check_path(mean_free_path_nm)
    relative = math.log(reference.intensity / seen.intensity)
    against = "vacuum" if reference.kind == "vacuum" else "the thinnest place"
    method = f"intensity against {against} (Beer-Lambert), "
    remarks = []
    of_reference = math.hypot(reference.spread / reference.intensity, seen.spread / seen.intensity)
    if relative < -3 * max(of_reference, 0.005):
        remarks.append(f"brighter than {against}: another dose, a wrong reference, or an empty hole")
    thickness = None if mean_free_path_nm is None else max(relative, 0.0) * mean_free_path_nm
    if reference.kind == "thinnest":
        remarks.append("relative to the thinnest place: the thickness there comes on top")
    if mean_free_path_nm is None:
        method += "in mean free paths"
    else:
        method += f"mean free path {mean_free_path_nm:g} nm"
    spread = None if mean_free_path_nm is None else of_reference * mean_free_path_nm
    return IceThickness(relative, thickness, spread, seen.uneven, method, tuple(remarks))


def ice_thickness_of_zero_loss(
    zero_loss: NDArray[np.generic], unfiltered: NDArray[np.generic], *, mean_free_path_nm: float | None = None
) -> IceThickness:
    """Thickness by the ratio of two exposures of one place, without and with the energy filter's slit (log-ratio).

    Args:
        zero_loss: (y, x), with the slit: electrons that lost no energy.
        unfiltered: (y, x), without it, at the same dose.
        mean_free_path_nm: Inelastic, for the microscope's collection angle; without it the result is relative.

    Raises:
        IceError: as `ice_thickness`.
    """
    _check_path(mean_free_path_nm)
    kept, uneven, error = _transmitted(zero_loss, None)
    total, _, of_total = _transmitted(unfiltered, None)
    relative = math.log(total / kept)
    error = math.hypot(error / kept, of_total / total)
    remarks = () if relative > -3 * max(error, 0.005) else ("more electrons with the slit than without: other doses?",)
    if mean_free_path_nm is None:
        return IceThickness(relative, None, None, uneven, "zero-loss ratio, in mean free paths", remarks)
    method = f"zero-loss ratio, mean free path {mean_free_path_nm:g} nm"
    return IceThickness(
        relative, max(relative, 0.0) * mean_free_path_nm, error * mean_free_path_nm, uneven, method, remarks
    )


def thinnest_reference(intensities: Sequence[float], *, share: float = 0.05, empty_above: float = 1.25) -> IceReference:
    """A reference for a session without vacuum: the brightest exposures, those of empty holes left out.

    Args:
        intensities: Mean per pixel of exposures at one dose.
        share: Of the exposures, the brightest that count as the thinnest ice.
        empty_above: What is brighter than the median by this factor is an empty hole, not thin ice.

    Raises:
        IceError: there are fewer than five, or none is above 0.
    """
    values = np.asarray(intensities, np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < 5:
        raise IceError(f"{len(values)} exposures are too few to find the thinnest place; take 5, or measure vacuum")
    with_ice = np.sort(values[values <= empty_above * np.median(values)])
    brightest = with_ice[-max(round(share * len(with_ice)), 1) :]
    spread = float(brightest.std(ddof=1)) if len(brightest) > 1 else 0.0
    return IceReference(float(np.median(brightest)), "thinnest", spread)


def _check_path(mean_free_path_nm: float | None) -> None:
    if mean_free_path_nm is not None and not (math.isfinite(mean_free_path_nm) and mean_free_path_nm > 0):
        raise IceError(f"the mean free path is {mean_free_path_nm} nm; give one above 0, or none")


def _transmitted(pixels: NDArray[np.generic], masked: NDArray[np.bool_] | None) -> tuple[float, float, float]:
    """Mean intensity, unevenness over 8 x 8 parts in mean free paths, and the standard deviation of the mean."""
    if pixels.ndim != 2 or min(pixels.shape) < 8:
        raise IceError(f"a micrograph of shape {pixels.shape} cannot be judged; give (y, x), 8 pixels a side or more")
    step = max(1, math.isqrt(pixels.size // _SAMPLE))
    sample = np.asarray(pixels[::step, ::step], np.float64)
    keep = np.ones(sample.shape, np.bool_)
    if masked is not None:
        rows = ((np.arange(sample.shape[0]) + 0.5) * masked.shape[0] / sample.shape[0]).astype(np.intp)
        columns = ((np.arange(sample.shape[1]) + 0.5) * masked.shape[1] / sample.shape[1]).astype(np.intp)
        keep = ~masked[np.ix_(rows, columns)]
    if not keep.any():
        raise IceError("no part of the micrograph is ice: everything is masked")
    values = sample[keep]
    mean = float(values.mean())
    if not math.isfinite(mean) or mean <= _LEAST_COUNTS:
        raise IceError(
            f"the micrograph's mean is {mean:g}: it was normalised or filtered, and says nothing of thickness; "
            "give counts, as the camera or the motion correction wrote them"
        )
    parts = []
    for row in np.array_split(np.arange(sample.shape[0]), 8):
        for column in np.array_split(np.arange(sample.shape[1]), 8):
            inside = np.ix_(row, column)
            if keep[inside].mean() > 0.5:
                parts.append(float(sample[inside][keep[inside]].mean()))
    logs = np.log(np.maximum(parts, _LEAST_COUNTS)) if len(parts) > 1 else np.zeros(1)
    return mean, float(logs.std()), float(values.std() / math.sqrt(len(values)))


__all__ = [
    "IceReference",
    "IceThickness",
    "ReferenceKind",
    "Transmitted",
    "ice_of",
    "ice_thickness",
    "ice_thickness_of_zero_loss",
    "thinnest_reference",
    "transmitted",
]
