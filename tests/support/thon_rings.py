"""Exposures with Thon rings, made from the formula of Rohou & Grigorieff 2015 alone.

Nothing here comes from `structloop`: neither the simulator nor the fit can hide a fault of the other.
"""

import numpy as np
from numpy.typing import NDArray


def chi(
    kx: NDArray[np.float64],
    ky: NDArray[np.float64],
    u_um: float,
    v_um: float,
    angle_deg: float,
    *,
    kv: float = 300.0,
    cs_mm: float = 2.7,
    contrast: float = 0.1,
    shift_deg: float = 0.0,
) -> NDArray[np.float64]:
    """Equations 2 to 5 of the paper, with its tangent form of amplitude contrast; frequencies in 1/Angstrom."""
    # de Broglie's wavelength: 12.2643 / sqrt(V + 0.97845e-6 V^2) Angstrom.
    volts = kv * 1e3
    wavelength = 12.2643 / np.sqrt(volts + 0.97845e-6 * volts**2)
    azimuth = np.arctan2(ky, kx)
    defocus = 0.5 * (u_um + v_um + (u_um - v_um) * np.cos(2 * (azimuth - np.deg2rad(angle_deg)))) * 1e4
    k2 = kx**2 + ky**2
    extra = np.arctan2(contrast, np.sqrt(1 - contrast**2))
    inner = np.pi * wavelength * k2 * (defocus - 0.5 * wavelength**2 * k2 * cs_mm * 1e7)
    return np.asarray(inner + np.deg2rad(shift_deg) + extra)


def exposure(
    seed: int,
    u_um: float = 1.5,
    v_um: float = 1.4,
    angle_deg: float = 30.0,
    *,
    size: int = 1536,
    pixel: float = 1.2,
    snr: float = 0.1,
    ends_angstrom: float | None = None,
    kv: float = 300.0,
    cs_mm: float = 2.7,
    contrast: float = 0.1,
    shift_deg: float = 0.0,
) -> NDArray[np.float32]:
    """White structure through sin(chi), and white noise; (y, x), a standard deviation of about 1."""
    random = np.random.default_rng(seed)
    ky, kx = np.meshgrid(np.fft.fftfreq(size, pixel), np.fft.rfftfreq(size, pixel), indexing="ij")
    phases = chi(kx, ky, u_um, v_um, angle_deg, kv=kv, cs_mm=cs_mm, contrast=contrast, shift_deg=shift_deg)
    transfer = -np.sin(phases) * np.exp(-10.0 * (kx**2 + ky**2))
    if ends_angstrom is not None:
        transfer *= np.hypot(kx, ky) < 1 / ends_angstrom
    signal = np.fft.irfft2(np.fft.rfft2(random.standard_normal((size, size))) * transfer, s=(size, size))
    signal *= snr**0.5 / signal.std()
    return np.asarray(signal + random.standard_normal((size, size)), np.float32)
