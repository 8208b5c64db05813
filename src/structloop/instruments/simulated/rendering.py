"""Pixels of a capture, at the binning that is asked for: rendered at that size, or at a small image's full size."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import NotCapableError
from structloop.instruments.images import average_blocks
from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.draws import draw, seed_of
from structloop.simulation.grids import CAMERA, SceneGrid, View, render_view, specimen_at
from structloop.simulation.micrographs import Detector, expected_micrograph, render_micrograph
from structloop.simulation.micrographs.noise import counted
from structloop.simulation.optics import Envelope, Optics
from structloop.simulation.specimen import Specimen

FloatArray = NDArray[np.float32]

VOLTAGE_KV, CS_MM = 300.0, 2.7
_B_FACTOR_ANGSTROM2 = 25.0
_LEAST_PX = 512
"""Pictures of the support are rendered no smaller than this, and averaged: grain and fine growth would vanish."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What `TakenImage.read` is of a simulated microscope: the capture, rendered each time that it is asked for."""

    capture: Capture

    def __call__(self, binning: int) -> FloatArray:
        """The pixels, `(height // binning, width // binning)`."""
        return render(self.capture, binning)


def view_of(capture: Capture, binning: int = 1) -> View:
    """What a capture looks at, in pixels of a binned image.

    Raises:
        NotCapableError: the binning leaves too few pixels.
    """
    width, height = (
        capture.width_px // binning if binning > 0 else 0,
        capture.height_px // binning if binning > 0 else 0,
    )
    if min(width, height) < 8:
        raise NotCapableError(
            f"binning {binning} does not fit an image of {capture.width_px} x {capture.height_px} pixels"
        )
    view = View(
        capture.x_um,
        capture.y_um,
        width,
        height,
        capture.pixel_size_angstrom * binning,
        capture.rotation_deg,
        capture.tilt_deg,
        capture.dose_e_per_angstrom2 * (capture.pixel_size_angstrom * binning) ** 2,
        capture.defocus_um,
        capture.seed,
        capture.height_um,
    )
    # What does not fill a binned pixel at the far edges is left out, and the middle moves by half of it.
    over_x, over_y = capture.width_px - width * binning, capture.height_px - height * binning
    if over_x or over_y:
        x, y = view.to_stage((width - 1) / 2 - over_x / 2 / binning, (height - 1) / 2 - over_y / 2 / binning)
        view = replace(view, x_um=x, y_um=y)
    return view


def optics_of(capture: Capture) -> Optics:
    """How the lens formed it; the specimen's height is not in it yet."""
    tilt = math.hypot(*capture.beam_tilt_mrad)
    return Optics(
        voltage_kv=VOLTAGE_KV,
        cs_mm=CS_MM,
        defocus_u_um=capture.defocus_um + capture.astigmatism_um,
        defocus_v_um=capture.defocus_um - capture.astigmatism_um,
        angle_deg=capture.astigmatism_deg,
        envelope=Envelope(b_factor_angstrom2=_B_FACTOR_ANGSTROM2 + coma_b_factor_angstrom2(tilt)),
        beam_tilt_mrad=capture.beam_tilt_mrad,
        energy_filter=capture.filtered,
    )


def coma_b_factor_angstrom2(beam_tilt_mrad: float) -> float:
    """What coma costs in resolution, as a B factor.

    The phase error 2 pi Cs lambda^2 k^3 tilt reaches pi / 4 at k; amplitudes are taken to fall to 1 / e there. (The
    phases themselves are wrong as well: `Optics.beam_tilt_mrad` sees to that.)
    """
    wavelength = Optics(voltage_kv=VOLTAGE_KV).wavelength_angstrom
    k3 = 8 * CS_MM * 1e7 * wavelength**2 * beam_tilt_mrad * 1e-3
    return float(4 * k3 ** (2 / 3))


def specimen_of(capture: Capture, grid: SceneGrid, aligned_frames: int = 1) -> Specimen:
    """What an exposure shows, with its drift (of each of so many frames that are aligned)."""
    specimen = specimen_at(grid, view_of(capture))
    x, y = capture.drift_angstrom_per_s
    return replace(specimen, drift_angstrom_per_s=(x / aligned_frames, y / aligned_frames))


def render(capture: Capture, binning: int = 1) -> FloatArray:
    """The image: mean counts of `binning` x `binning` pixels, shape (height // binning, width // binning).

    Pictures at low and medium magnification are in the camera's counts, exposures in electrons. The movie's frames are
    taken to be aligned before they are summed.

    Raises:
        NotCapableError: the binning leaves too few pixels.
    """
    view = view_of(capture, binning)
    if capture.dose_e_per_angstrom2 <= 0:
        return np.zeros((view.height_px, view.width_px), np.float32)
    if capture.grid is None:
        return _empty(capture, view, binning)
    if not capture.high:
        part = next(
            share
            for share in range(1, binning + 1)
            if binning % share == 0 and (capture.width_px * share // binning >= _LEAST_PX or share == binning)
        )
        finer = binning // part
        image = render_view(capture.grid, view_of(capture, finer)) / np.float32(finer**2)
        return np.asarray(average_blocks(image, part)[: view.height_px, : view.width_px], np.float32)
    image = render_micrograph(
        specimen_of(capture, capture.grid, capture.frames),
        optics_of(capture),
        capture.dose_e_per_angstrom2,
        capture.seed,
        binning,
        exposure_s=capture.exposure_s,
    )
    image /= np.float32(binning**2)
    return image


def _empty(capture: Capture, view: View, binning: int) -> FloatArray:
    per_px = view.dose_e_per_px
    counted = draw(capture.seed, "empty").poisson(per_px, (view.height_px, view.width_px)).astype(np.float32)
    scale = 1.0 if capture.high else CAMERA.counts_per_electron
    return np.asarray(counted * np.float32(scale / binning**2), np.float32)


def render_pair(capture: Capture, offset_px: tuple[float, float], binning: int) -> tuple[FloatArray, FloatArray]:
    """Two exposures of one place that differ in their noise and in where they look.

    They are two windows on one field that is rendered once: the grain of ice and film is the same in both, as it is of
    a real specimen. Where they look so far apart that they share nothing, each is a field of its own.

    Args:
        capture: The one of them; how the other differs but in its place is not looked at.
        offset_px: Where the other looks, in pixels of the whole image, from where this does.
        binning: Of the two images that come back.
    """
    size = capture.width_px // binning
    if capture.grid is None or capture.dose_e_per_angstrom2 <= 0:
        blank = np.zeros((size, size), np.float32)
        return blank, blank
    x, y = (offset / binning for offset in offset_px)
    halves = ((-x / 2, -y / 2), (x / 2, y / 2))
    if max(abs(x), abs(y)) < size:
        # Only as much more as the two windows need, in steps of 32 pixels, which Fourier transforms are fast for.
        half = 16 * math.ceil((max(abs(x), abs(y)) / 2 + 2) / 16)
        field = _field(capture, capture.grid, size + 2 * half, binning)
        rates = [_window(field, half + dx, half + dy, size) for dx, dy in halves]
    else:
        view = view_of(capture, binning)
        rates = []
        for dx, dy in halves:
            x_um, y_um = view.to_stage((view.width_px - 1) / 2 + dx, (view.height_px - 1) / 2 + dy)
            rates.append(_field(replace(capture, x_um=x_um, y_um=y_um), capture.grid, size, binning))
    efficiency = np.float32(Detector().efficiency)
    one, other = (counted(rate * efficiency, seed_of(capture.seed, "pair", n)) for n, rate in enumerate(rates))
    return one, other


def _field(capture: Capture, grid: SceneGrid, size: int, binning: int) -> FloatArray:
    """Electrons that are expected in a square of so many pixels around what a capture looks at."""
    return expected_micrograph(
        specimen_of(replace(capture, width_px=size * binning, height_px=size * binning), grid),
        optics_of(capture),
        capture.dose_e_per_angstrom2,
        binning,
        exposure_s=capture.exposure_s,
    )


def _window(image: FloatArray, left: float, top: float, size: int) -> FloatArray:
    """A square that begins between pixels."""
    x, y = math.floor(left), math.floor(top)
    fx, fy = np.float32(left - x), np.float32(top - y)
    part = image[y : y + size + 1, x : x + size + 1]
    part = part[:-1] * (1 - fy) + part[1:] * fy
    return np.asarray(part[:, :-1] * (1 - fx) + part[:, 1:] * fx, np.float32)


__all__ = [
    "FloatArray",
    "Picture",
    "coma_b_factor_angstrom2",
    "optics_of",
    "render",
    "render_pair",
    "specimen_of",
    "view_of",
]
