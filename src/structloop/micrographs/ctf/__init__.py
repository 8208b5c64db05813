"""The contrast transfer of a micrograph, fitted to its power spectrum.

    fit = fit_ctf(pixels, 1.06, Lens(voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.1))
    fit.defocus.u_um, fit.defocus.v_um, fit.defocus.angle_deg, fit.fit_resolution_angstrom, fit.evidence.confidence

Conventions are in `structloop.schema.ctf` and docs/explanations/conventions-of-ctf-and-motion.md.
"""

from structloop.micrographs.ctf.crystals import CrystallineIce, IceRing
from structloop.micrographs.ctf.evidence import Evidence
from structloop.micrographs.ctf.fitting import GOOD_CONFIDENCE, CtfFit, CtfOptions, fit_ctf, fit_spectra
from structloop.micrographs.ctf.local import LocalFit, Tilt
from structloop.micrographs.ctf.spectra import Spectra, take_spectra
from structloop.micrographs.ctf.transfer import Defocus, Lens

__all__ = [
    "GOOD_CONFIDENCE",
    "CrystallineIce",
    "CtfFit",
    "CtfOptions",
    "Defocus",
    "Evidence",
    "IceRing",
    "Lens",
    "LocalFit",
    "Spectra",
    "Tilt",
    "fit_ctf",
    "fit_spectra",
    "take_spectra",
]
