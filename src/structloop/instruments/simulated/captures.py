"""What an image shows, settled when it was taken: enough to render it at any later time."""

from dataclasses import dataclass
from datetime import datetime

from structloop.simulation.grids import SceneGrid


@dataclass(frozen=True, slots=True)
class Capture:
    """The truth of one exposure. Positions are of the specimen, in its grid's own axes.

    Attributes:
        grid, slot: What was on the stage; None where nothing was.
        load: How often that grid had been loaded.
        purpose: "acquire", "acquire-montage", "align-to", "autofocus", "find-eucentric-height" or "wait-drift".
        image_id: Of the image that came of it; None for exposures that the microscope made for itself, and where the
            image was lost.
        x_um, y_um: What the image's centre shows, at the middle of the exposure.
        rotation_deg, tilt_deg: Of the image's axes against the grid's; of the stage.
        height_um: Stage height over the eucentric plane; the specimen's own comes to it.
        pixel_size_angstrom, width_px, height_px: Of the whole image.
        high: Whether it is an exposure, in which molecules and Thon rings are seen.
        dose_e_per_angstrom2: That really fell on the specimen; 0 where beam or valves were closed.
        defocus_um: Of the lens, for a specimen in the eucentric plane.
        astigmatism_um, astigmatism_deg: Half the difference of the defoci; direction of the larger, from the image's x
            towards its y.
        beam_tilt_mrad: Along the image's x and y.
        drift_angstrom_per_s: How fast what the centre shows moves, along the image's x and y.
        exposure_s, frames: Length, and number of frames of the movie.
        filtered: Whether the energy slit was in.
        seed: Of its noise.
        at: When it began.
    """

    grid: SceneGrid | None
    slot: int | None
    load: int
    purpose: str
    image_id: str | None
    preset: str
    x_um: float
    y_um: float
    rotation_deg: float
    tilt_deg: float
    height_um: float
    pixel_size_angstrom: float
    width_px: int
    height_px: int
    high: bool
    dose_e_per_angstrom2: float
    defocus_um: float
    astigmatism_um: float
    astigmatism_deg: float
    beam_tilt_mrad: tuple[float, float]
    drift_angstrom_per_s: tuple[float, float]
    exposure_s: float
    frames: int
    filtered: bool
    seed: int
    at: datetime


__all__ = ["Capture"]
