"""The whole way from a micrograph's pixels to its contrast transfer."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CtfError
from structloop.micrographs.ctf.crystals import CrystallineIce, crystalline_ice, spot_band
from structloop.micrographs.ctf.evidence import PLAIN_SCORE, Evidence, evidence, fit_resolution_angstrom
from structloop.micrographs.ctf.local import LocalFit, fit_locally
from structloop.micrographs.ctf.refining import Refined, refined
from structloop.micrographs.ctf.rings import LinearPart, Rings, flattened
from structloop.micrographs.ctf.searching import Candidate, Search
from structloop.micrographs.ctf.spectra import MeanSpectrum, Spectra, take_spectra
from structloop.micrographs.ctf.transfer import Defocus, Lens
from structloop.schema.ctf import CtfEstimate

GOOD_CONFIDENCE = 0.87
"""More than even odds are asked for: what has rings of its own (crystalline ice, shapes) reaches those now and then."""
_TRIED = 4


@dataclass(frozen=True, slots=True)
class CtfOptions:
    """What is looked for, and where.

    Attributes:
        defocus_um: Range (low, high) of the mean defocus.
        most_astigmatism_um: Largest U - V.
        phase_shift_deg: Known phase shift (0 without a phase plate); None to fit it, 0 to 180.
        coarsest_angstrom, finest_angstrom: Resolutions between which rings are fitted.
        locally: Whether tilt and ring strengths are looked for, tile by tile.
        threads: How many; all cores without it.
    """

    defocus_um: tuple[float, float] = (0.2, 5.0)
    most_astigmatism_um: float = 0.5
    phase_shift_deg: float | None = 0.0
    coarsest_angstrom: float = 30.0
    finest_angstrom: float = 2.5
    locally: bool = True
    threads: int | None = None

    def __post_init__(self) -> None:
        low, high = self.defocus_um
        if not 0 < low < high <= 20:
            raise CtfError(f"defocus_um is {self.defocus_um}; give (low, high) with 0 < low < high <= 20 micrometres")
        if not 0 <= self.most_astigmatism_um <= 2:
            raise CtfError(f"most_astigmatism_um is {self.most_astigmatism_um}; give 0 to 2 micrometres")
        if not 0 < self.finest_angstrom < self.coarsest_angstrom:
            raise CtfError(
                f"resolutions from {self.coarsest_angstrom} to {self.finest_angstrom} angstrom; "
                "give the coarser one as coarsest_angstrom"
            )
        if self.phase_shift_deg is not None and not math.isfinite(self.phase_shift_deg):
            raise CtfError(f"phase_shift_deg is {self.phase_shift_deg}; give degrees, or None to fit it")


@dataclass(frozen=True, slots=True, eq=False)
class CtfFit:
    """The contrast transfer of a micrograph and what it rests on.

    Attributes:
        defocus: Mean and astigmatism; `defocus.u_um`, `.v_um`, `.angle_deg`.
        lens: What the fit was given.
        fit_resolution_angstrom: To where rings are seen; None where none are.
        evidence: Whether there are rings at all.
        spread_um: Standard deviation of the mean defocus by the curvature of the fit.
        crystalline: Reflections of ice; None where pixels are too coarse to show them.
        local: Tilt and local strengths; None where they were not asked for.
        spectra, rings, refined: What it was found from, for pictures and comparisons.
    """

    defocus: Defocus
    lens: Lens
    fit_resolution_angstrom: float | None
    evidence: Evidence
    spread_um: float
    crystalline: CrystallineIce | None
    local: LocalFit | None
    spectra: Spectra = field(repr=False)
    rings: Rings = field(repr=False)
    refined: Refined = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether the fit is to be believed."""
        return self.evidence.confidence >= GOOD_CONFIDENCE and self.fit_resolution_angstrom is not None

    def estimate(self, micrograph: str) -> CtfEstimate:
        """The row of a table."""
        return CtfEstimate(
            micrograph,
            self.defocus.u_um,
            self.defocus.v_um,
            self.defocus.angle_deg,
            math.degrees(self.defocus.phase_shift_rad) % 180,
            self.lens.voltage_kv,
            self.lens.cs_mm,
            self.lens.amplitude_contrast,
            self.spectra.pixel_size_angstrom,
            self.fit_resolution_angstrom,
            self.evidence.confidence,
        )


def fit_ctf(
    pixels: NDArray[np.generic],
    pixel_size_angstrom: float,
    lens: Lens,
    options: CtfOptions | None = None,
    *,
    masked: NDArray[np.bool_] | None = None,
) -> CtfFit:
    """Fits the contrast transfer function of a micrograph.

    Args:
        pixels: (y, x), finite, any unit; rows as stored.
        pixel_size_angstrom: Of the pixels.
        lens: Voltage, spherical aberration, amplitude contrast.
        options: What is looked for.
        masked: True where pixels do not count (film, borders); of any size, stretched over the micrograph.

    Raises:
        CtfError: the picture is too small, the pixels are too coarse for the range, or all of it is masked.
    """
    options = options or CtfOptions()
    spectra = take_spectra(
        pixels,
        pixel_size_angstrom,
        masked=masked,
        finest_angstrom=options.finest_angstrom,
        spot_bands=(spot_band(),),
        threads=options.threads,
    )
    return fit_spectra(spectra, lens, options)


def fit_spectra(spectra: Spectra, lens: Lens, options: CtfOptions, mean: MeanSpectrum | None = None) -> CtfFit:
    """The same from spectra that are at hand.

    Args:
        spectra: Of a micrograph's tiles.
        lens: Of the microscope.
        options: What is looked for.
        mean: Of some of the tiles; of all without it.
    """
    mean = mean or spectra.mean()
    crystalline = crystalline_ice(spectra, mean)
    rings = flattened(
        mean,
        coarsest_angstrom=options.coarsest_angstrom,
        finest_angstrom=options.finest_angstrom,
        left_out=crystalline.bands if crystalline else (),
    )
    search = Search(
        rings,
        lens,
        defocus_um=options.defocus_um,
        most_astigmatism_um=options.most_astigmatism_um,
        phase_shift_deg=options.phase_shift_deg,
    )
    starts = search.best()
    fit = _best(rings, lens, starts[:_TRIED], options)
    resolution = fit_resolution_angstrom(rings, lens, fit)
    sure = starts[0].score > PLAIN_SCORE
    if sure and resolution is not None:
        rings, fit = _within(mean, rings, lens, fit, resolution, options)
    judged = evidence(
        rings,
        lens,
        fit,
        None if sure else search,
        fit_phase_shift=options.phase_shift_deg is None,
        most_astigmatism_um=options.most_astigmatism_um,
    )
    return CtfFit(
        _named(fit.defocus, options),
        lens,
        resolution,
        judged,
        fit.spread[0],
        crystalline,
        fit_locally(spectra, rings, lens, fit) if options.locally else None,
        spectra,
        rings,
        fit,
    )


def _within(
    mean: MeanSpectrum, rings: Rings, lens: Lens, fit: Refined, resolution: float, options: CtfOptions
) -> tuple[Rings, Refined]:
    """Fitted again up to where rings are seen: background and amplitude need not bend round their end there."""
    if resolution <= 1.05 / float(rings.k[-1]):
        return rings, fit
    try:
        part = flattened(
            mean,
            coarsest_angstrom=options.coarsest_angstrom,
            finest_angstrom=resolution,
            left_out=rings.left_out,
        )
    except CtfError:
        # Too few rings for a fit of their own.
        return rings, fit
    again = refined(
        part,
        lens,
        fit.defocus,
        fit_phase_shift=options.phase_shift_deg is None,
        most_astigmatism_um=options.most_astigmatism_um,
    )
    return part, again


def _best(rings: Rings, lens: Lens, starts: list[Candidate], options: CtfOptions) -> Refined:
    part = LinearPart(rings)
    tried = [
        refined(
            rings,
            lens,
            start.defocus,
            fit_phase_shift=options.phase_shift_deg is None,
            most_astigmatism_um=options.most_astigmatism_um,
            linear_part=part,
        )
        for start in starts
    ]
    return max(tried, key=lambda each: each.gained)


def _named(defocus: Defocus, options: CtfOptions) -> Defocus:
    """The phase shift between 0 and 180 degrees: half a turn more changes the sign of the CTF and not the rings."""
    if options.phase_shift_deg is not None:
        return defocus
    return replace(defocus, phase_shift_rad=defocus.phase_shift_rad % math.pi)


__all__ = ["GOOD_CONFIDENCE", "CtfFit", "CtfOptions", "fit_ctf", "fit_spectra"]
