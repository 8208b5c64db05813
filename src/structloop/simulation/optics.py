"""The electron microscope's contrast transfer function, and what damps it.

Conventions (those of CTFFIND4, Rohou & Grigorieff 2015, and RELION, in the frame of the image array):

- Defocus is positive for underfocus.
- Spatial frequencies (kx, ky) belong to the array axes: kx along increasing column, ky along increasing row.
- `angle_deg` is measured from +x towards +y of the array. Along that direction the defocus is `defocus_u_um`, across it
  `defocus_v_um`. Shown with row 0 on top, +y points down and the angle turns clockwise.
- The phase is chi(k) = pi lambda df(k) k^2 - pi/2 Cs lambda^3 k^4 + phase shift + asin(amplitude contrast), and the
  transfer function is CTF(k) = -sin(chi(k)): negative near k = 0, so matter denser than ice is dark in underfocus.
- Beam tilt (x, y) multiplies the transfer function with exp(i 2 pi Cs lambda^2 k^2 (k . tilt)); it is then complex,
  with conjugate values at k and -k.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError

FloatArray = NDArray[np.float32]

_PLANCK_J_S = 6.62607015e-34
_ELECTRON_KG = 9.1093837015e-31
_CHARGE_C = 1.602176634e-19
_LIGHT_M_PER_S = 2.99792458e8


def electron_wavelength_angstrom(voltage_kv: float) -> float:
    """De Broglie wavelength of an accelerated electron, relativistic, in Angstrom (300 kV: 0.019687)."""
    energy = voltage_kv * 1e3 * _CHARGE_C
    rest = _ELECTRON_KG * _LIGHT_M_PER_S**2
    momentum = np.sqrt(2 * _ELECTRON_KG * energy * (1 + energy / (2 * rest)))
    return float(_PLANCK_J_S / momentum * 1e10)


def interaction_rad_per_volt_angstrom(voltage_kv: float) -> float:
    """Phase that a projected potential of one volt Angstrom adds to the electron wave (300 kV: 0.000653).

    Kirkland, Advanced Computing in Electron Microscopy, eq. 5.6: sigma = 2 pi / (lambda V) (E0 + eV) / (2 E0 + eV).
    """
    volts = voltage_kv * 1e3
    rest = _ELECTRON_KG * _LIGHT_M_PER_S**2 / _CHARGE_C
    return float(2 * np.pi / (electron_wavelength_angstrom(voltage_kv) * volts) * (rest + volts) / (2 * rest + volts))


@dataclass(frozen=True)
class Envelope:
    """What damps high resolution.

    Attributes:
        focal_spread_nm: Standard deviation of the defocus over the exposure (chromatic aberration, energy spread).
        convergence_mrad: Half angle of the illumination (standard deviation of a Gaussian source).
        b_factor_angstrom2: A further exp(-B k^2 / 4) on amplitudes.
    """

    focal_spread_nm: float = 4.0
    convergence_mrad: float = 0.005
    b_factor_angstrom2: float = 0.0

    @classmethod
    def none(cls) -> "Envelope":
        """No damping at all."""
        return cls(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Optics:
    """How the microscope forms the image; the conventions are told at the top of this file.

    Attributes:
        voltage_kv: Acceleration voltage, kilovolts.
        cs_mm: Spherical aberration, millimetres.
        amplitude_contrast: Share of amplitude contrast, 0 to 1.
        defocus_u_um, defocus_v_um: Along and across the angle, micrometres, underfocus positive.
        angle_deg: Direction of `defocus_u_um`, from +x towards +y of the array.
        phase_shift_deg: Of a phase plate.
        envelope: What damps high resolution.
        beam_tilt_mrad: Tilt of the beam (x, y); with Cs it makes coma.
        energy_filter: Whether inelastically scattered electrons are filtered out (they are, behind a 20 eV slit).
    """

    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.07
    defocus_u_um: float = 1.5
    defocus_v_um: float = 1.5
    angle_deg: float = 0.0
    phase_shift_deg: float = 0.0
    envelope: Envelope = field(default_factory=Envelope)
    beam_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    energy_filter: bool = True

    def __post_init__(self) -> None:
        if not self.voltage_kv > 0:
            raise SimulationError(f"voltage_kv is {self.voltage_kv}; give kilovolts above 0, such as 300")
        if not 0 <= self.amplitude_contrast <= 1:
            raise SimulationError(f"amplitude_contrast is {self.amplitude_contrast}; give a share between 0 and 1")

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength of the electrons."""
        return electron_wavelength_angstrom(self.voltage_kv)

    @property
    def mean_defocus_um(self) -> float:
        """Mean of the two defoci."""
        return (self.defocus_u_um + self.defocus_v_um) / 2

    def defocused(self, by_um: float) -> "Optics":
        """The same with both defoci larger by so much (micrometres)."""
        if by_um == 0:
            return self
        return replace(self, defocus_u_um=self.defocus_u_um + by_um, defocus_v_um=self.defocus_v_um + by_um)

    def defocus_um_at(self, direction_deg: float) -> float:
        """Defocus along a direction of the image (from +x towards +y), micrometres."""
        twice = 2 * np.deg2rad(direction_deg - self.angle_deg)
        return float(self.mean_defocus_um + (self.defocus_u_um - self.defocus_v_um) / 2 * np.cos(twice))

    def phase(self, kx: FloatArray, ky: FloatArray) -> FloatArray:
        """chi(k) in radians, with phase shift and amplitude contrast; arrays broadcast, 1/Angstrom.

        Computed as a polynomial in kx and ky: no angle, no trigonometry per pixel.
        """
        wavelength = self.wavelength_angstrom
        mean = self.mean_defocus_um * 1e4
        half = (self.defocus_u_um - self.defocus_v_um) / 2 * 1e4
        twice = 2 * np.deg2rad(self.angle_deg)
        along_x = np.float32(np.pi * wavelength * (mean + half * np.cos(twice)))
        along_y = np.float32(np.pi * wavelength * (mean - half * np.cos(twice)))
        across = np.float32(2 * np.pi * wavelength * half * np.sin(twice))
        fourth = np.float32(-np.pi / 2 * self.cs_mm * 1e7 * wavelength**3)
        constant = np.float32(np.deg2rad(self.phase_shift_deg) + np.arcsin(self.amplitude_contrast))
        x2, y2 = kx * kx, ky * ky
        k2 = x2 + y2
        chi = fourth * k2
        chi *= k2
        chi += along_x * x2 + constant
        chi += along_y * y2
        if across:
            chi += (across * kx) * ky
        return np.asarray(chi, np.float32)

    def damping(self, k: FloatArray) -> FloatArray:
        """Product of the envelopes at spatial frequencies k (1/Angstrom); 1 is undamped.

        Frank 1973 and Wade & Frank 1977: temporal exp(-(pi lambda spread)^2 k^4 / 2), spatial
        exp(-(pi angle / lambda)^2 (Cs lambda^3 k^3 - df lambda k)^2) with the mean defocus.
        """
        wavelength, envelope = self.wavelength_angstrom, self.envelope
        k2 = np.asarray(k, np.float32) ** 2
        spread = envelope.focal_spread_nm * 10
        exponent = np.float32((np.pi * wavelength * spread) ** 2 / 2) * k2 * k2
        exponent += np.float32(envelope.b_factor_angstrom2 / 4) * k2
        if envelope.convergence_mrad:
            angle = np.float32((np.pi * envelope.convergence_mrad * 1e-3 / wavelength) ** 2)
            third = np.float32(self.cs_mm * 1e7 * wavelength**3)
            first = np.float32(self.mean_defocus_um * 1e4 * wavelength)
            exponent += angle * k2 * (third * k2 - first) ** 2
        return np.asarray(np.exp(-exponent), np.float32)

    def ctf(self, kx: FloatArray, ky: FloatArray) -> FloatArray:
        """-sin(chi), undamped and without beam tilt; arrays broadcast, 1/Angstrom."""
        return np.asarray(-np.sin(self.phase(kx, ky)), np.float32)

    def coma_phase(self, kx: FloatArray, ky: FloatArray) -> FloatArray:
        """Phase in radians that the beam tilt adds: odd in k."""
        tilt_x, tilt_y = (value * 1e-3 for value in self.beam_tilt_mrad)
        scale = 2 * np.pi * self.cs_mm * 1e7 * self.wavelength_angstrom**2
        k2 = kx * kx + ky * ky
        return np.asarray(k2 * (np.float32(scale * tilt_x) * kx + np.float32(scale * tilt_y) * ky), np.float32)

    def ctf_zeros(self, direction_deg: float, count: int) -> NDArray[np.float64]:
        """The first zeros of the CTF along a direction, 1/Angstrom, lowest first (for tests and drawings).

        Raises:
            SimulationError: There are not so many (the spherical aberration ends them, or the defocus is not under).
        """
        wavelength = self.wavelength_angstrom
        constant = np.deg2rad(self.phase_shift_deg) + np.arcsin(self.amplitude_contrast)
        quadratic = np.pi * wavelength * self.defocus_um_at(direction_deg) * 1e4
        fourth = np.pi / 2 * self.cs_mm * 1e7 * wavelength**3
        order = np.arange(1, count + 1) + np.floor(constant / np.pi)
        inside = quadratic**2 - 4 * fourth * (order * np.pi - constant)
        if quadratic <= 0 or (inside < 0).any():
            raise SimulationError(f"the CTF has fewer than {count} zeros before it turns back; ask for fewer")
        if fourth == 0:
            return np.asarray(np.sqrt((order * np.pi - constant) / quadratic))
        return np.asarray(np.sqrt((quadratic - np.sqrt(inside)) / (2 * fourth)))


__all__ = ["Envelope", "Optics", "electron_wavelength_angstrom", "interaction_rad_per_volt_angstrom"]
