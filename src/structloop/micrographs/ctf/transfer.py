"""The phase of the contrast transfer function, as the fits need it.

Rohou & Grigorieff, J. Struct. Biol. 192 (2015) 216, equations 2 to 4, in the frame of the stored array: kx along
increasing column, ky along increasing row, angles from +x towards +y, defocus positive for underfocus.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CtfError

FloatArray = NDArray[np.float32]
Array64 = NDArray[np.float64]

# h^2 / (2 m e) in V Angstrom^2 and e / (2 m c^2) in 1/V, CODATA 2018.
_H2_2ME = 150.41203
_E_2MC2 = 9.7847593e-7


@dataclass(frozen=True, slots=True)
class Lens:
    """What is known of the microscope before the fit.

    Attributes:
        voltage_kv: Acceleration voltage.
        cs_mm: Spherical aberration.
        amplitude_contrast: Share of amplitude contrast, 0 to 1.
    """

    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1

    def __post_init__(self) -> None:
        limits = {"voltage_kv": (10.0, 3000.0), "cs_mm": (0.0, 20.0), "amplitude_contrast": (0.0, 1.0)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise CtfError(f"{name} is {value}; give a value from {low:g} to {high:g}")

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic wavelength of the electrons."""
        volts = self.voltage_kv * 1e3
        return math.sqrt(_H2_2ME / (volts * (1 + _E_2MC2 * volts)))

    @property
    def constant_phase_rad(self) -> float:
        """The phase that amplitude contrast adds."""
        return math.asin(self.amplitude_contrast)

    def fourth(self) -> float:
        """Coefficient of k^4 in the phase."""
        return -math.pi / 2 * self.cs_mm * 1e7 * self.wavelength_angstrom**3


@dataclass(frozen=True, slots=True)
class Defocus:
    """What is fitted: mean and astigmatism as a vector, which has no seam where an angle has one.

    Attributes:
        mean_um: (U + V) / 2.
        along_um: (U - V) / 2 cos(2 angle).
        across_um: (U - V) / 2 sin(2 angle).
        phase_shift_rad: Of a phase plate.
    """

    mean_um: float
    along_um: float = 0.0
    across_um: float = 0.0
    phase_shift_rad: float = 0.0

    @classmethod
    def of(cls, u_um: float, v_um: float, angle_deg: float = 0.0, phase_shift_deg: float = 0.0) -> "Defocus":
        """From defocus U and V, and the angle of U."""
        half, twice = (u_um - v_um) / 2, math.radians(2 * angle_deg)
        return cls((u_um + v_um) / 2, half * math.cos(twice), half * math.sin(twice), math.radians(phase_shift_deg))

    @property
    def u_um(self) -> float:
        """The larger defocus."""
        return self.mean_um + math.hypot(self.along_um, self.across_um)

    @property
    def v_um(self) -> float:
        """The smaller defocus."""
        return self.mean_um - math.hypot(self.along_um, self.across_um)

    @property
    def angle_deg(self) -> float:
        """Direction of U from +x towards +y of the array, 0 to 180."""
        angle = math.degrees(math.atan2(self.across_um, self.along_um)) / 2 % 180.0
        return 0.0 if angle == 180.0 else angle

    def at_um(self, cos_twice: Array64, sin_twice: Array64) -> Array64:
        """Defocus along directions, given cos and sin of twice their angles."""
        return np.asarray(self.mean_um + self.along_um * cos_twice + self.across_um * sin_twice)


def phase(lens: Lens, k2: Array64, defocus_um: Array64 | float, phase_shift_rad: float = 0.0) -> Array64:
    """chi in radians at squared spatial frequencies k2 (1/Angstrom^2); the CTF is -sin(chi). Arrays broadcast."""
    quadratic = math.pi * lens.wavelength_angstrom * 1e4 * np.asarray(defocus_um)
    return np.asarray(quadratic * k2 + lens.fourth() * np.square(k2) + (phase_shift_rad + lens.constant_phase_rad))


__all__ = ["Array64", "Defocus", "FloatArray", "Lens", "phase"]
