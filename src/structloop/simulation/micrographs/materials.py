"""What ice, carbon, gold and stain do to the electron wave.

Mean inner potentials: carbon 9 V, gold 25 V, ice 4.5 V (measured values scatter by 10 to 30 per cent). Mean free paths
at 300 kV are for a filtered or an unfiltered beam behind a usual aperture; 395 nm for ice, filtered, is the value of
Rheinberger et al. 2021. They scale with the inverse square of the interaction constant (about beta squared).
"""

from dataclasses import dataclass

import numpy as np

from structloop.simulation.optics import Optics, interaction_rad_per_volt_angstrom
from structloop.simulation.specimen import FloatArray


@dataclass(frozen=True)
class Material:
    """How one material acts on electrons.

    Attributes:
        potential_volts: Mean inner potential.
        filtered_nm, unfiltered_nm: Mean free paths for loss from the image at 300 kV, with and without energy filter.
        atoms_per_cubic_angstrom: Scatterers of the structural noise.
        forward_angstrom: Electron scattering amplitude of one, forward.
        width_angstrom: The amplitude falls with frequency as 1 / (1 + (k width)^2).
        disorder: Share of independent scatterers at low frequency (structure factor of the glass there).
        peak_per_angstrom: Where the first diffuse ring of the glass is.
    """

    potential_volts: float
    filtered_nm: float
    unfiltered_nm: float
    atoms_per_cubic_angstrom: float
    forward_angstrom: float
    width_angstrom: float
    disorder: float
    peak_per_angstrom: float

    def mean_free_path_nm(self, optics: Optics) -> float:
        """Thickness that leaves 1/e of the intensity in the image."""
        at_300 = self.filtered_nm if optics.energy_filter else self.unfiltered_nm
        ratio = interaction_rad_per_volt_angstrom(300) / interaction_rad_per_volt_angstrom(optics.voltage_kv)
        return float(at_300 * ratio**2)

    def noise_density(self, k: FloatArray, optics: Optics) -> FloatArray:
        """Power spectral density of the phase of 1 nm of the material, rad^2 Angstrom^2, at k (1/Angstrom)."""
        amplitude = optics.wavelength_angstrom * self.forward_angstrom / (1 + (k * self.width_angstrom) ** 2)
        ring = 1.2 * np.exp(-(((k - self.peak_per_angstrom) / 0.045) ** 2) / 2)
        structure = self.disorder + (1 - self.disorder) / (1 + np.exp(-(k - 0.3) / 0.03)) + ring
        return np.asarray(10 * self.atoms_per_cubic_angstrom * amplitude**2 * structure, np.float32)


ICE = Material(4.5, 395.0, 900.0, 0.031, 3.0, 1.0, 0.08, 0.27)
CARBON = Material(9.0, 300.0, 700.0, 0.10, 2.5, 1.1, 0.80, 0.48)
GOLD = Material(25.0, 18.0, 22.0, 0.059, 8.5, 0.8, 0.10, 0.43)
STAIN = Material(14.0, 55.0, 75.0, 0.010, 12.0, 3.0, 1.0, 0.30)
PROTEIN = Material(7.2, 300.0, 700.0, 0.045, 2.4, 1.0, 0.5, 0.22)

FILMS = {"carbon": CARBON, "gold": GOLD}
LUMPS = {"ice": ICE, "protein": PROTEIN, "gold": GOLD}

__all__ = ["CARBON", "FILMS", "GOLD", "ICE", "LUMPS", "PROTEIN", "STAIN", "Material"]
