"""Movies of simulated exposures, written as MRC stacks when they are asked for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray

from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.rendering import optics_of, render, view_of
from structloop.simulation.grids import specimen_at
from structloop.simulation.movies import Motion, render_movie

BEAM_INDUCED_ANGSTROM, BENDING_ANGSTROM = 8.0, 2.0
"""Typical path of the whole field under the beam, and by how much places differ in it."""

_LARGEST_INT8 = 127
_FEW_PER_FRAME = 30.0


def motion_of(capture: Capture, binning: int = 1) -> Motion:
    """How what an exposure shows moves: under the beam, and with the stage's drift. True tracks of its movie.

    Displacements count from where things are in the middle of the exposure as far as the stage moves them.

    Args:
        capture: The exposure.
        binning: Of the frames that the motion is counted in.
    """
    view = view_of(capture, binning)
    size = view.pixel_size_angstrom
    motion = Motion.realistic(
        capture.seed,
        capture.frames,
        view.width_px,
        view.height_px,
        drift_px=BEAM_INDUCED_ANGSTROM / size,
        bend_px=BENDING_ANGSTROM / size,
    )
    time_s = ((np.arange(capture.frames) + 0.5) / capture.frames - 0.5) * capture.exposure_s
    # The drift is told for the place that is looked at; what is seen moves the other way.
    stage = -time_s[:, None] * np.asarray(capture.drift_angstrom_per_s)[None, :] / size
    return replace(motion, drift_px=motion.drift_px + stage)


def frames_of(
    capture: Capture, binning: int = 1
) -> Iterator[NDArray[np.float32] | NDArray[np.uint8] | NDArray[np.uint16]]:
    """The frames of an exposure, one after the other: counts (y, x).

    Pictures at low and medium magnification have one frame, which is the picture.

    Args:
        capture: The exposure.
        binning: Frames are rendered with pixels that many times as large.
    """
    if not capture.high:
        yield render(capture, binning)
        return
    view = view_of(capture, binning)
    per_frame = view.dose_e_per_px / capture.frames
    if capture.grid is None or per_frame <= 0:
        for frame in range(capture.frames):
            counts = draw(capture.seed, "empty-frame", frame).poisson(per_frame, (view.height_px, view.width_px))
            yield counts.astype(np.uint16)
        return
    specimen = specimen_at(capture.grid, view)
    motion = motion_of(capture, binning)
    yield from render_movie(specimen, optics_of(capture), per_frame, capture.frames, motion, capture.seed)


def write_movie(capture: Capture, path: Path, binning: int = 1) -> Path:
    """Write the frames of an exposure as an MRC stack, frame by frame.

    Counts of few electrons are written as signed bytes (mode 0), others as 16 bits (mode 6); pictures at low and medium
    magnification as one frame of mode 2.

    Args:
        capture: The exposure.
        path: Of the stack; its folder is made.
        binning: Writes smaller frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    view = view_of(capture, binning)
    frames = capture.frames if capture.high else 1
    few = view.dose_e_per_px / frames < _FEW_PER_FRAME
    mode = 2 if not capture.high else 0 if few else 6
    with mrcfile.new_mmap(path, (frames, view.height_px, view.width_px), mode, overwrite=True) as file:
        file.set_image_stack()
        for index, frame in enumerate(frames_of(capture, binning)):
            file.data[index] = np.minimum(frame, _LARGEST_INT8) if mode == 0 else frame
        file.voxel_size = view.pixel_size_angstrom
        file.update_header_stats()
    return path


__all__ = ["frames_of", "motion_of", "write_movie"]
