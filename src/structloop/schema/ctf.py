"""The contrast transfer of micrographs, as this program or others found it.

Angles are from +x (along increasing column) towards +y (along increasing stored row) of the micrograph as it is stored,
0 to 180 degrees, and are the direction of defocus U, the larger one. Defocus is positive for underfocus.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CtfEstimate:
    """What is known of one micrograph.

    Attributes:
        micrograph: Its name or path.
        defocus_u_um, defocus_v_um: The larger and the smaller defocus.
        angle_deg: Direction of U.
        phase_shift_deg: Of a phase plate; 0 without one.
        voltage_kv, cs_mm, amplitude_contrast, pixel_size_angstrom: What the fit was given; None where a file of another
            program does not say.
        fit_resolution_angstrom: To where the rings fit; None where none are seen or nothing is said.
        confidence: Probability that the fit is right, 0 to 1, where it is calibrated.
        figure_of_merit: What the program calls so; only comparable within one program.
        program: What made it.
    """

    micrograph: str
    defocus_u_um: float
    defocus_v_um: float
    angle_deg: float
    phase_shift_deg: float = 0.0
    voltage_kv: float | None = None
    cs_mm: float | None = None
    amplitude_contrast: float | None = None
    pixel_size_angstrom: float | None = None
    fit_resolution_angstrom: float | None = None
    confidence: float | None = None
    figure_of_merit: float | None = None
    program: str = "structloop"

    @property
    def defocus_um(self) -> float:
        """Mean of U and V."""
        return (self.defocus_u_um + self.defocus_v_um) / 2

    @property
    def astigmatism_um(self) -> float:
        """U less V."""
        return self.defocus_u_um - self.defocus_v_um


@dataclass(frozen=True, slots=True)
class CtfTable:
    """Fits of some micrographs, as from one file.

    Attributes:
        estimates: One per micrograph.
        origin: Where they come from.
        remarks: What a person should know of how they were read.
    """

    estimates: tuple[CtfEstimate, ...]
    origin: str = ""
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[CtfEstimate]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)


__all__ = ["CtfEstimate", "CtfTable"]
