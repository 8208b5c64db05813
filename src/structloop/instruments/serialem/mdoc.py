"""SerialEM's image metadata (`.mdoc`), read and written without losing anything.

One section per image of a stack (`[ZValue = 0]`: sections of a tilt series, pieces of a montage) or per movie
(`[FrameSet = 0]`); titles are sections, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath
from typing import Final

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.serialem.autodoc import Autodoc, Section, parse_autodoc, read_autodoc

Z_VALUE: Final = "ZValue"
FRAME_SET: Final = "FrameSet"
IMAGE: Final = "Image"
TITLE: Final = "T"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(r"(\d{1,2})-(\w{3})-(\d{2}|\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})", re.ASCII)
_TILT_STEP_DEG: Final = 0.3


@dataclass(frozen=True, slots=True)
class MdocSection:
    """One image or movie: a view of its section.

    Attributes:
        section: Everything that the file says of it, by SerialEM's own keys.
    """

    section: Section

    @property
    def index(self) -> int:
        """Its number in the stack.

        Raises:
            AcquisitionFileError: The heading has none.
        """
        try:
            return int(self.section.name)
        except ValueError as error:
            raise AcquisitionFileError(f"{self.section.place()}: the heading has no number") from error

    @property
    def tilt_deg(self) -> float | None:
        """The stage's tilt."""
        return self.section.number("TiltAngle")

    @property
    def stage_um(self) -> tuple[float, float, float | None] | None:
        """The stage position x, y, and z where it is told."""
        position = self.section.numbers("StagePosition", 2)
        return None if position is None else (position[0], position[1], self.section.number("StageZ"))

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Of the image's own pixels."""
        return self.section.number("PixelSpacing")

    @property
    def magnification(self) -> float | None:
        """As SerialEM counts it."""
        return self.section.number("Magnification")

    @property
    def defocus_um(self) -> float | None:
        """The lens' reading, underfocus positive (SerialEM writes it negative)."""
        return _negated(self.section.number("Defocus"))

    @property
    def target_defocus_um(self) -> float | None:
        """What autofocus was to reach, underfocus positive (SerialEM writes it negative)."""
        return _negated(self.section.number("TargetDefocus"))

    @property
    def exposure_s(self) -> float | None:
        """Exposure time."""
        return self.section.number("ExposureTime")

    @property
    def dose_e_per_angstrom2(self) -> float | None:
        """The dose; None where SerialEM has no calibration and writes 0."""
        return self.section.number("ExposureDose") or None

    @property
    def image_shift_um(self) -> tuple[float, float] | None:
        """The image shift, in SerialEM's own axes."""
        shift = self.section.numbers("ImageShift", 2)
        return None if shift is None else (shift[0], shift[1])

    @property
    def rotation_deg(self) -> float | None:
        """Rotation of the image against the tilt axis."""
        return self.section.number("RotationAngle")

    @property
    def binning(self) -> float | None:
        """Pixels of the camera per pixel; 0.5 for super-resolution."""
        return self.section.number("Binning")

    @property
    def piece_px(self) -> tuple[int, int, int] | None:
        """Where a montage's piece lies by its grid, x, y, z."""
        piece = self.section.numbers("PieceCoordinates", 3)
        return None if piece is None else (int(piece[0]), int(piece[1]), int(piece[2]))

    @property
    def aligned_piece_px(self) -> tuple[int, int, int] | None:
        """Where it lies by its image; of two solutions the one over all pieces."""
        for key in ("AlignedPieceCoords", "AlignedPieceCoordsVS"):
            piece = self.section.numbers(key, 3)
            if piece is not None:
                return int(piece[0]), int(piece[1]), int(piece[2])
        return None

    @property
    def minimum_maximum_mean(self) -> tuple[float, float, float] | None:
        """Of the pixels."""
        told = self.section.numbers("MinMaxMean", 3)
        return None if told is None else (told[0], told[1], told[2])

    @property
    def frames_path(self) -> str | None:
        """The movie's file, as SerialEM's machine has it."""
        return self.section.get("SubFramePath")

    @property
    def frames_name(self) -> str | None:
        """The movie's file name."""
        path = self.frames_path
        return None if path is None else PureWindowsPath(path).name

    @property
    def frames(self) -> int | None:
        """Frames of the movie."""
        return self.section.integer("NumSubFrames")

    @property
    def navigator_label(self) -> str | None:
        """Label of the Navigator item that it was taken at."""
        return self.section.get("NavigatorLabel")

    @property
    def taken_at(self) -> datetime | None:
        """When it was taken, by the clock on the wall there; no time zone is told.

        Raises:
            AcquisitionFileError: The time cannot be understood.
        """
        told = self.section.get("DateTime")
        if told is None:
            return None
        found = _DATE.match(told)
        try:
            if found is None:
                raise ValueError(told)
            day, month, year = int(found[1]), _MONTHS.index(found[2].title()) + 1, int(found[3])
            year += 2000 if year < 100 else 0
            clock = (int(found[4]), int(found[5]), int(found[6]))
            return datetime(year, month, day, *clock)  # noqa: DTZ001  # the file tells no time zone
        except ValueError as error:
            raise AcquisitionFileError(
                f"{self.section.place()}: DateTime = {told} is no time such as 05-Feb-20  14:42:35"
            ) from error


class Mdoc:
    """A metadata file.

    Args:
        document: What was read; an empty file without it.
    """

    def __init__(self, document: Autodoc | None = None) -> None:
        self.document = document or Autodoc()

    @classmethod
    def read(cls, path: Path) -> "Mdoc":
        """Read a file.

        Raises:
            AcquisitionFileError: It is no metadata of SerialEM's, damaged, or cut off; the message names the line.
        """
        return cls._checked(read_autodoc(path), str(path))

    @classmethod
    def parse(cls, data: bytes, where: str = "the mdoc file") -> "Mdoc":
        """Understand the contents of a file; see `read`."""
        return cls._checked(parse_autodoc(data, where), where)

    @classmethod
    def _checked(cls, document: Autodoc, where: str) -> "Mdoc":
        mdoc = cls(document)
        if not mdoc.images and not mdoc.frame_sets:
            raise AcquisitionFileError(
                f"{where}: it has no section [ZValue = ...] or [FrameSet = ...]; it is no .mdoc of SerialEM, or cut off"
            )
        for each in (*mdoc.images, *mdoc.frame_sets):
            _ = each.index, each.tilt_deg, each.stage_um, each.piece_px, each.pixel_size_angstrom
        return mdoc

    def _of(self, kind: str) -> Iterator[MdocSection]:
        return (MdocSection(section) for section in self.document.sections if section.kind == kind)

    @property
    def images(self) -> tuple[MdocSection, ...]:
        """The images of the stack, in the file's order."""
        return tuple(self._of(Z_VALUE))

    @property
    def frame_sets(self) -> tuple[MdocSection, ...]:
        """The movies."""
        return tuple(self._of(FRAME_SET))

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles; the first names the program and the microscope."""
        head = self.document.head.get(TITLE)
        return (*([head] if head else []), *(each.section.name for each in self._of(TITLE)))

    @property
    def image_file(self) -> str | None:
        """The stack that it describes."""
        return self.document.head.get("ImageFile")

    @property
    def image_size_px(self) -> tuple[int, int] | None:
        """Width and height of each image."""
        size = self.document.head.numbers("ImageSize", 2)
        return None if size is None else (int(size[0]), int(size[1]))

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Of the stack."""
        return self.document.head.number("PixelSpacing")

    @property
    def voltage_kv(self) -> float | None:
        """Of the microscope."""
        return self.document.head.number("Voltage")

    @property
    def is_montage(self) -> bool:
        """Whether its images are the pieces of a montage."""
        return bool(self.document.head.integer("Montage"))

    @property
    def is_tilt_series(self) -> bool:
        """Whether its images show one place at several tilts."""
        if self.is_montage:
            return False
        angles = sorted(image.tilt_deg for image in self.images if image.tilt_deg is not None)
        return len(angles) > 1 and angles[-1] - angles[0] > _TILT_STEP_DEG

    def tilts(self) -> tuple[MdocSection, ...]:
        """The images of a tilt series, from the lowest angle to the highest."""
        return tuple(sorted(self.images, key=lambda image: image.tilt_deg or 0.0))

    def pieces(self) -> dict[tuple[int, int, int], MdocSection]:
        """The pieces of a montage by column, row (from the bottom, as SerialEM counts) and section, from 0."""
        placed = [(piece, image) for image in self.images if (piece := image.piece_px) is not None]
        columns = {x: i for i, x in enumerate(sorted({piece[0] for piece, _ in placed}))}
        rows = {y: i for i, y in enumerate(sorted({piece[1] for piece, _ in placed}))}
        return {(columns[x], rows[y], z): image for (x, y, z), image in placed}

    def text(self) -> str:
        """As it is written."""
        return self.document.text()

    def write(self, path: Path) -> None:
        """Write the file."""
        self.document.write(path)


def _negated(number: float | None) -> float | None:
    return None if number is None else 0.0 - number


__all__ = ["Mdoc", "MdocSection"]
