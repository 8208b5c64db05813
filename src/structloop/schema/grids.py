"""What was seen of a grid: session -> atlas -> square -> hole -> exposure, as acquisition programs record it.

The vocabulary is of no vendor: EPU's and SerialEM's files are read into it, and the store keeps it. Keys are the
vendor's own ids, unique within an acquisition. What a program did not write is None, never a made-up number.

The frame: stage positions and physical sizes are micrometres in the stage's own axes; pixel positions are `(x, y)` in
the whole readout of the image (never in a reduced picture of it), as the program writes them; defocus is positive for
underfocus; times are UTC; paths are relative to the acquisition's `root`, with `/`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from structloop.schema.acquisition import StagePosition
from structloop.schema.remarks import FileRemark, RemarkKind

Pair: TypeAlias = tuple[float, float]
Matrix: TypeAlias = tuple[tuple[float, float], tuple[float, float]]


class ImageLevel(StrEnum):
    """What an image shows."""

    ATLAS = "atlas"
    TILE = "tile"
    SQUARE = "square"
    HOLE = "hole"
    EXPOSURE = "exposure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FoundHole:
    """A hole as the program found it in an image.

    Attributes:
        center_px: In the readout of the image.
        size_px: Width and height.
        quality: The program's own figure of merit.
    """

    center_px: Pair
    size_px: Pair | None = None
    quality: float | None = None
    rotation_rad: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One image as a program stored it; everything but its pixels.

    Attributes:
        key: Unique within the acquisition (EPU: the file's name without its ending).
        metadata_path: The file that describes it; None where only the picture came.
        picture_path: Its pixels, the whole readout where it is there (TIFF, MRC), else a reduced picture (JPEG).
        frames_path: The movie's file, where it is named or lies beside.
        width_px, height_px: Of the whole readout.
        picture_width_px, picture_height_px: Of `picture_path`.
        pixel_size_angstrom: On the specimen, of the whole readout.
        image_to_stage_um: ((a, b), (c, d)), micrometres per readout pixel: what is seen dx, dy pixels beside the centre
            of the image comes to the centre when the stage moves by (a dx + b dy, c dx + d dy).
        stage: The stage's reading.
        defocus_um: As asked for.
        measured_defocus_um: As the optics said, on their own zero.
        dose_e_per_angstrom2: Of the whole exposure, on the specimen.
        dose_e_per_px: Of the whole exposure, on the camera, per readout pixel.
        beam_shift, beam_tilt, image_shift: In the microscope's own units.
        apertures: Name of the aperture and what is in it, such as ("C2", "50"); "None" where it is out.
        detector: The camera's commercial name, else the name the program knows it by.
        binning: Of the readout.
        frames: Number of frames of the movie.
        found_hole: Where the program found the hole that it looked for.
        garbled: Elements of its metadata that should say a number or a time and do not, in words; those are None.
    """

    key: str
    level: ImageLevel
    metadata_path: str | None = None
    picture_path: str | None = None
    frames_path: str | None = None
    taken_at: datetime | None = None
    width_px: int | None = None
    height_px: int | None = None
    picture_width_px: int | None = None
    picture_height_px: int | None = None
    pixel_size_angstrom: float | None = None
    image_to_stage_um: Matrix | None = None
    stage: StagePosition | None = None
    magnification: float | None = None
    voltage_kv: float | None = None
    defocus_um: float | None = None
    measured_defocus_um: float | None = None
    exposure_s: float | None = None
    dose_e_per_angstrom2: float | None = None
    dose_e_per_px: float | None = None
    beam_diameter_um: float | None = None
    spot_size: int | None = None
    beam_shift: Pair | None = None
    beam_tilt: Pair | None = None
    image_shift: Pair | None = None
    slit_width_ev: float | None = None
    apertures: tuple[tuple[str, str], ...] = ()
    detector: str | None = None
    binning: int | None = None
    frames: int | None = None
    phase_plate: bool | None = None
    microscope: str | None = None
    program_version: str | None = None
    found_hole: FoundHole | None = None
    garbled: tuple[str, ...] = ()

    @property
    def reduction(self) -> float | None:
        """How many readout pixels one pixel of the picture stands for, per axis: 5.625 for 2880 shown as 512."""
        if self.width_px is None or not self.picture_width_px:
            return None
        return self.width_px / self.picture_width_px

    @property
    def picture_pixel_size_angstrom(self) -> float | None:
        """The pixel size of `picture_path`, which may be reduced."""
        if self.pixel_size_angstrom is None or self.reduction is None:
            return None
        return self.pixel_size_angstrom * self.reduction


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaRecord:
    """A place beside or in every hole where exposures are taken (EPU: data acquisition area).

    Attributes:
        offset_px: From the hole's centre, in the readout of the hole's image.
        pixel_size_angstrom: Of those pixels.
        defocus_um: The values that take turns.
    """

    key: str
    offset_px: Pair | None = None
    pixel_size_angstrom: float | None = None
    exposure_s: float | None = None
    defocus_um: tuple[float, ...] = ()

    @property
    def offset_um(self) -> Pair | None:
        """The offset in micrometres, along the image's axes."""
        if self.offset_px is None or self.pixel_size_angstrom is None:
            return None
        x_px, y_px = self.offset_px
        return x_px * self.pixel_size_angstrom * 1e-4, y_px * self.pixel_size_angstrom * 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session of an acquisition program at a microscope, of one grid.

    Attributes:
        program: `EPU`, `SerialEM`, ...
        slot: Of the autoloader, counted from 1 (EPU's own number counts from 0, its folders from 1).
        hole_size_um, hole_spacing_um: As the program measured or was told.
        lattice_rotation_rad: Of the hole lattice in the image of a square.
        areas: Where in each hole exposures are taken.
        presets: The program's names for its optics settings and the magnification of each.
        metadata_path: The file that describes it; None where it is known from others only.
    """

    key: str
    name: str | None = None
    program: str
    program_version: str | None = None
    microscope: str | None = None
    slot: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    grid_type: str | None = None
    grid_geometry: str | None = None
    hole_size_um: float | None = None
    hole_spacing_um: float | None = None
    lattice_rotation_rad: float | None = None
    areas: tuple[AreaRecord, ...] = ()
    presets: tuple[tuple[str, float | None], ...] = ()
    metadata_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRecord:
    """One image of an atlas and where it lies.

    Attributes:
        corner_px, size_px: Of the tile in the stitched atlas; the corner is the one nearest (0, 0).
    """

    key: str
    corner_px: Pair | None = None
    size_px: Pair | None = None
    stage: StagePosition | None = None
    image: ImageRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtlasRecord:
    """The map of a whole grid.

    Attributes:
        pixel_size_angstrom: Of the stitched atlas: what the tiles' stage positions say, which is what squares are found
            again by; else what its own metadata says.
        written_pixel_size_angstrom: What the sizes of squares imply that the program writes, where it differs.
        image_to_stage_um, stage: Stage position of what lies at pixel (x, y) of the atlas is `stage` +
            `image_to_stage_um` (x - width_px / 2, y - height_px / 2).
        width_px, height_px: Of the stitched atlas, as far as its tiles reach.
        rotation_rad, translation_um: By how much the grid lies differently now than when the atlas was taken.
    """

    key: str
    name: str | None = None
    slot: int | None = None
    taken_at: datetime | None = None
    metadata_path: str | None = None
    pixel_size_angstrom: float | None = None
    written_pixel_size_angstrom: float | None = None
    image_to_stage_um: Matrix | None = None
    stage: StagePosition | None = None
    width_px: int | None = None
    height_px: int | None = None
    rotation_rad: float | None = None
    translation_um: Pair | None = None
    tiles: tuple[TileRecord, ...] = ()
    image: ImageRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareRecord:
    """A square of the grid.

    Attributes:
        stage: Where the program goes for it: its own record, else the atlas's aligned position, else the atlas's first
            one, else that of its latest image.
        state: The program's word (EPU: None, Defined, InProgress, Completed, ...).
        order: Its place in the queue.
        category: The program's group of similar squares.
        atlas_center_px, atlas_size_px: On the stitched atlas.
        atlas_center_um, size_um: Physically, as the program writes it, around the atlas's middle.
        atlas_stage: Where the atlas saw it; `aligned_stage` where that is after the grid was aligned again.
        image_to_stage_um, image_stage: From the program's own hole positions: the stage position of pixel (x, y) of its
            image is `image_stage` + `image_to_stage_um` (x - width_px / 2, y - height_px / 2). More exact than the
            image's own matrix, which knows nothing of the stage's scale.
        hole_spacing_um, lattice_rotation_rad: Of its holes.
        outline_px: The square's edge in its image.
        targets: How many holes the program listed in it; None where that list did not come.
        images: In the order they were taken; the last is the valid one.
    """

    key: str
    atlas_key: str | None = None
    state: str | None = None
    selected: bool | None = None
    unusable: bool | None = None
    order: int | None = None
    category: str | None = None
    stage: StagePosition | None = None
    atlas_center_px: Pair | None = None
    atlas_size_px: Pair | None = None
    atlas_center_um: Pair | None = None
    size_um: Pair | None = None
    atlas_stage: StagePosition | None = None
    aligned_stage: StagePosition | None = None
    atlas_quality: float | None = None
    image_to_stage_um: Matrix | None = None
    image_stage: StagePosition | None = None
    hole_spacing_um: float | None = None
    lattice_rotation_rad: float | None = None
    outline_px: tuple[Pair, ...] = ()
    targets: int | None = None
    metadata_path: str | None = None
    images: tuple[ImageRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleRecord:
    """A hole of the support film.

    Attributes:
        center_px, diameter_px: In the readout of the square's image.
        stage: The program's position for it; else that of its latest image.
        corrected_stage: After centring on it, where the program did.
        near_bar: Close to a grid bar.
        quality: The program's own figure of merit.
        intensity_mean, intensity_deviation: Of its pixels in the square's image.
        listed: Whether the program's list of targets has it; else it is known from its images only.
        images: In the order they were taken; the last is the valid one.
    """

    key: str
    square_key: str | None = None
    state: str | None = None
    selected: bool | None = None
    order: int | None = None
    center_px: Pair | None = None
    diameter_px: float | None = None
    stage: StagePosition | None = None
    corrected_stage: StagePosition | None = None
    near_bar: bool | None = None
    quality: float | None = None
    rotation_rad: float | None = None
    intensity_mean: float | None = None
    intensity_deviation: float | None = None
    listed: bool = False
    images: tuple[ImageRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRecord:
    """One exposure at full magnification. Taken twice, there are two of them.

    Attributes:
        key: Unique within the acquisition (EPU: `FoilHole_<hole>_Data_<area>_<number>_<date>_<time>`).
        area: Key of the area in the hole.
        number: The program's number of the exposure (EPU 3: a running number; EPU 2: of the setting).
        image: None where the program lists the exposure, and no file of it came.
    """

    key: str
    hole_key: str | None = None
    square_key: str | None = None
    area: str | None = None
    number: int | None = None
    taken_at: datetime | None = None
    image: ImageRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionRecord:
    """Everything that the files of one session tell.

    Attributes:
        root: The folder that all paths are relative to.
        squares, holes, exposures: Sorted by key, numbers by their value; exposures by time, then key.
        others: Images of which the files do not say what they show.
        remarks: What people should know, sorted.
    """

    root: Path
    session: SessionRecord
    atlases: tuple[AtlasRecord, ...] = ()
    squares: tuple[SquareRecord, ...] = ()
    holes: tuple[HoleRecord, ...] = ()
    exposures: tuple[ExposureRecord, ...] = ()
    others: tuple[ImageRecord, ...] = ()
    remarks: tuple[FileRemark, ...] = field(default=())


__all__ = [
    "AcquisitionRecord",
    "AreaRecord",
    "AtlasRecord",
    "ExposureRecord",
    "FileRemark",
    "FoundHole",
    "HoleRecord",
    "ImageLevel",
    "ImageRecord",
    "Matrix",
    "Pair",
    "RemarkKind",
    "SessionRecord",
    "SquareRecord",
    "TileRecord",
]
