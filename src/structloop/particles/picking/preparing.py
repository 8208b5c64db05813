"""One micrograph from its file to what pickers see: read, masked, brought to the working sampling."""

from dataclasses import dataclass

from structloop.core.errors import ParticlesError
from structloop.imaging.micrographs import MicrographHeader, read_micrograph
from structloop.models.pickers import WorkingMicrograph
from structloop.models.pickers.preparing import WORKING_DIAMETER_PX, prepare
from structloop.particles.masking import MicrographMask, find_mask
from structloop.particles.picking.finding import FoundMicrograph, check_there


@dataclass(frozen=True)
class Scale:
    """How large the particle is, in one of two ways.

    Attributes:
        diameter_px: In stored pixels of every micrograph; or
        diameter_angstrom: with `pixel_size_angstrom`, or the pixel size that each micrograph's header gives.
        pixel_size_angstrom: Of the stored micrographs; None believes the headers.
    """

    diameter_px: float | None = None
    diameter_angstrom: float | None = None
    pixel_size_angstrom: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("diameter in pixels", self.diameter_px),
            ("diameter in angstrom", self.diameter_angstrom),
            ("pixel size", self.pixel_size_angstrom),
        ):
            if value is not None and not 0 < value < 1e6:
                raise ParticlesError(f"the {name} is {value:g}; it must be a number above 0")
        if self.diameter_px is None and self.diameter_angstrom is None:
            raise ParticlesError(
                "how large the particle is, is not known: give --diameter-px, or --diameter-angstrom with "
                "--pixel-size-angstrom (or micrographs whose headers give the pixel size)"
            )
        if self.diameter_px is not None and self.diameter_angstrom is not None:
            raise ParticlesError("give --diameter-px or --diameter-angstrom, not both")

    def diameter_in(self, header: MicrographHeader) -> float:
        """The diameter in stored pixels of a micrograph.

        Raises:
            ParticlesError: its pixel size is needed and not known.
        """
        if self.diameter_px is not None:
            return self.diameter_px
        size = self.pixel_size_in(header)
        if size is None or self.diameter_angstrom is None:
            raise ParticlesError(
                f"{header.path} does not give its pixel size, which --diameter-angstrom needs: give "
                "--pixel-size-angstrom, or --diameter-px instead"
            )
        return self.diameter_angstrom / size

    def pixel_size_in(self, header: MicrographHeader) -> float | None:
        """The pixel size of a micrograph, where known; what a person says goes before what a header says."""
        return self.pixel_size_angstrom or header.pixel_size_angstrom


@dataclass(frozen=True)
class Prepared:
    """A micrograph that is ready to be picked.

    Attributes:
        found: Its name and file.
        header: What its file says.
        micrograph: At the working sampling.
        mask: Why what is masked.
        diameter_px: Of the particle, stored pixels.
        pixel_size_angstrom: Where known.
    """

    found: FoundMicrograph
    header: MicrographHeader
    micrograph: WorkingMicrograph
    mask: MicrographMask
    diameter_px: float
    pixel_size_angstrom: float | None


def prepare_file(
    found: FoundMicrograph,
    scale: Scale,
    *,
    contrast: str = "dark",
    working_diameter_px: float = WORKING_DIAMETER_PX,
    masking: bool = True,
) -> Prepared:
    """Reads a micrograph, finds its mask, and brings it to the working sampling.

    Args:
        found: The micrograph.
        scale: Size of the particle.
        contrast: Particles are `dark` or `bright` in the stored micrograph.
        working_diameter_px: Of the picker.
        masking: Whether film, lumps and crystalline ice are masked; streaked borders always are.

    Raises:
        ImageError: the file is not a usable micrograph.
        ParticlesError: the size of the particle is not known, or the micrograph is narrower than two particles.
    """
    check_there(found)
    read = read_micrograph(found.path)
    diameter = scale.diameter_in(read.header)
    size = scale.pixel_size_in(read.header)
    mask = find_mask(read.pixels, diameter_px=diameter, pixel_size_angstrom=size, contrast=contrast)
    if not masking:
        mask = mask.only("border")
    working = prepare(
        read.pixels,
        diameter_px=diameter,
        mask=mask.masked,
        contrast=contrast,
        working_diameter_px=working_diameter_px,
    )
    return Prepared(found, read.header, working, mask, diameter, size)


__all__ = ["Prepared", "Scale", "prepare_file"]
