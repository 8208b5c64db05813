"""A micrograph: the specimen through the lens onto the detector."""

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.canvas import (
    Canvas,
    ComplexArray,
    in_bands,
    looked_up,
    on_threads,
    radial_table,
    tiles_of,
)
from structloop.simulation.micrographs.detector import Detector, box_transfer
from structloop.simulation.micrographs.noise import add_spectrum, forward, inverse
from structloop.simulation.micrographs.strong import coarse_canvas, enlarged, film_share, over_pixels, strong_intensity
from structloop.simulation.micrographs.weak import Slab, weak_slabs
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import FloatArray, Specimen

_TILE_CORE = 256
_TILE_MARGIN = 128
_TILT_MATTERS_UM = 0.02


def render_micrograph(
    specimen: Specimen,
    optics: Optics,
    dose_e_per_angstrom2: float,
    seed: int,
    binning: int = 1,
    *,
    detector: Detector | None = None,
    exposure_s: float = 2.0,
) -> FloatArray:
    """A noisy micrograph, electrons per (binned) pixel, shape (height, width).

    Args:
        specimen: What lies under the beam; its own seed decides its structure.
        optics: Voltage, defocus and so on; the specimen's height is added to the defocus.
        dose_e_per_angstrom2: Electrons per square Angstrom that fall on the specimen.
        seed: Of the shot noise alone: two exposures of one specimen differ in it.
        binning: Renders at the size binned by so many pixels, in that much less time; agrees with summing the pixels
            of the full picture, except for what lies beyond the binned Nyquist frequency.
        detector: The camera; a counting one without it.
        exposure_s: How long it takes: stage drift blurs.

    Raises:
        SimulationError: The dose is negative, or the binning does not fit.
    """
    detector = detector or Detector()
    rate = expected_micrograph(
        specimen, optics, dose_e_per_angstrom2, binning, detector=detector, exposure_s=exposure_s
    )
    return detector.read(rate, Canvas.of(specimen, binning), seed)


def expected_micrograph(
    specimen: Specimen,
    optics: Optics,
    dose_e_per_angstrom2: float,
    binning: int = 1,
    *,
    detector: Detector | None = None,
    exposure_s: float = 2.0,
) -> FloatArray:
    """The same without shot noise: expected electrons per (binned) pixel. See `render_micrograph`."""
    if not (np.isfinite(dose_e_per_angstrom2) and dose_e_per_angstrom2 >= 0):
        raise SimulationError(f"dose_e_per_angstrom2 is {dose_e_per_angstrom2}; give 0 or more")
    detector = detector or Detector()
    canvas = Canvas.of(specimen, binning)
    optics = optics.defocused(specimen.height_um)
    coarse = coarse_canvas(specimen, canvas)
    film = film_share(specimen, coarse)
    rate = strong_intensity(specimen, optics, coarse, film)
    rate = over_pixels(rate, canvas) if coarse is canvas else enlarged(rate, coarse, canvas)
    drift = tuple(speed * exposure_s for speed in specimen.drift_angstrom_per_s)
    grain = None if film is None or not film.any() else np.sqrt(film * np.float32(specimen.film_nm))
    slabs = weak_slabs(specimen, optics, canvas, grain)
    contrast = image_contrast(slabs, specimen, optics, canvas, detector, (drift[0], drift[1])) if slabs else None
    per_pixel = np.float32(dose_e_per_angstrom2 * canvas.pixel_angstrom**2)

    def expose(band: slice) -> None:
        electrons = rate[band]
        np.maximum(electrons, 0, out=electrons)
        electrons *= per_pixel
        if contrast is not None:
            seen = contrast[band]
            seen += 1
            np.maximum(seen, np.float32(0.02), out=seen)
            electrons *= seen

    in_bands(canvas.height, expose)
    return rate


def image_contrast(
    slabs: list[Slab],
    specimen: Specimen,
    optics: Optics,
    canvas: Canvas,
    detector: Detector,
    drift_angstrom: tuple[float, float] = (0.0, 0.0),
) -> FloatArray:
    """Relative contrast (height, width) of weak phases: 2 CTF damped by lens, drift, pixels and camera.

    A tilted specimen is cut into tiles of 256 pixels, each with its own defocus.
    """
    longest_um = canvas.pixel_angstrom * 1e-4 * max(canvas.width, canvas.height)
    across_um = abs(np.tan(np.deg2rad(specimen.tilt_deg))) * longest_um
    if across_um < _TILT_MATTERS_UM:
        contrast = np.zeros((canvas.height, canvas.width), np.float32)
        for together in _of_one_grid(slabs):
            grid = together[0].canvas
            total: ComplexArray = np.zeros((grid.height, grid.width // 2 + 1), np.complex64)
            for slab in together:
                spectrum = forward(slab.phase)
                _transfer(spectrum, grid, optics.defocused(slab.height_um), canvas, detector, drift_angstrom)
                total += spectrum
            contrast += _on_picture(total, together[0], canvas)
        return contrast
    return _tilted(slabs, specimen, optics, canvas, detector, drift_angstrom)


def _of_one_grid(slabs: list[Slab]) -> list[list[Slab]]:
    """Slabs by the grid that they are on, in their order."""
    grids = dict.fromkeys((slab.canvas, slab.margin) for slab in slabs)
    return [[slab for slab in slabs if (slab.canvas, slab.margin) == grid] for grid in grids]


def _on_picture(spectrum: ComplexArray, slab: Slab, canvas: Canvas) -> FloatArray:
    """What a spectrum on a slab's grid shows on that of the picture, without the slab's margin."""
    times = round(slab.canvas.step / canvas.step)
    if times > 1:
        wider = Canvas(slab.canvas.height * times, slab.canvas.width * times, canvas.pixel_angstrom, canvas.step)
        finer = np.zeros((wider.height, wider.width // 2 + 1), np.complex64)
        add_spectrum(finer, wider, spectrum, slab.canvas)
        shown = inverse(finer, wider)
    else:
        shown = inverse(spectrum, slab.canvas)
    first = slab.margin * times
    return shown[first : first + canvas.height, first : first + canvas.width]


def _on(canvas: Canvas, slab: Slab) -> FloatArray:
    """A slab's phases on the picture's own grid."""
    return slab.phase if slab.canvas is canvas else _on_picture(forward(slab.phase), slab, canvas)


def _transfer(
    spectrum: ComplexArray,
    grid: Canvas,
    optics: Optics,
    canvas: Canvas,
    detector: Detector,
    drift_angstrom: tuple[float, float],
) -> None:
    """Multiply a half spectrum with everything between the phase and the contrast in the picture.

    Args:
        spectrum: Of phases on `grid`; is overwritten.
        grid: The grid of the phases, which may be coarser than that of the picture.
        optics, detector: What the electrons pass.
        canvas: The grid of the picture.
        drift_angstrom: Over the exposure.
    """
    full = canvas.pixel_angstrom / canvas.step
    table = -2 * radial_table(lambda k: optics.damping(k) * detector.transfer(k, full), grid.highest)
    along_x, along_y = box_transfer(grid.kx, canvas), box_transfer(grid.ky, canvas)
    coma = any(optics.beam_tilt_mrad)

    def apply(band: slice) -> None:
        kx, ky = grid.kx, grid.ky[band]
        # The contrast transfer is the negative sine of the phase.
        factor = optics.phase(kx, ky)
        np.sin(factor, out=factor)
        factor *= looked_up(table, kx, ky, grid.highest)
        if canvas.step != 1:
            factor *= along_x
            factor *= along_y[band]
        if any(drift_angstrom):
            factor *= _sinc(kx * np.float32(drift_angstrom[0]) + ky * np.float32(drift_angstrom[1]))
        spectrum[band] *= factor
        if coma:
            turn = optics.coma_phase(kx, ky)
            turned = np.empty(turn.shape, np.complex64)
            np.cos(turn, out=turned.real)
            np.sin(turn, out=turned.imag)
            spectrum[band] *= turned

    in_bands(grid.height, apply, 32)


def _sinc(x: FloatArray) -> FloatArray:
    """sin(pi x) / (pi x); by its series where that is exact to a millionth, which is much faster."""
    if max(float(x.max()), -float(x.min())) > 0.2:
        return np.sinc(x)
    x *= x
    x *= np.float32(-(np.pi**2))
    series = x * np.float32(1 / 42)
    series += 1
    series *= x
    series *= np.float32(1 / 20)
    series += 1
    series *= x
    series *= np.float32(1 / 6)
    series += 1
    return series


def height_um_at(specimen: Specimen, x_px: FloatArray | float, y_px: FloatArray | float) -> FloatArray:
    """Height by which the tilt lifts places (pixels of the image) over its middle, adding to the defocus, micrometres.

    The tilt axis passes the middle at `tilt_axis_deg` from +x towards +y.
    """
    axis = np.deg2rad(specimen.tilt_axis_deg)
    from_middle_x = np.asarray(x_px, np.float32) - np.float32((specimen.width_px - 1) / 2)
    from_middle_y = np.asarray(y_px, np.float32) - np.float32((specimen.height_px - 1) / 2)
    off_axis = np.float32(np.cos(axis)) * from_middle_y - np.float32(np.sin(axis)) * from_middle_x
    slope = np.tan(np.deg2rad(specimen.tilt_deg)) * specimen.pixel_size_angstrom * 1e-4
    return np.asarray(off_axis * np.float32(slope), np.float32)


def _tilted(
    slabs: list[Slab],
    specimen: Specimen,
    optics: Optics,
    canvas: Canvas,
    detector: Detector,
    drift_angstrom: tuple[float, float],
) -> FloatArray:
    """Contrast with a defocus that changes across the picture, tile by tile."""
    margin = min(_TILE_MARGIN, min(canvas.height, canvas.width) - 1)
    size = _TILE_CORE + 2 * margin
    tile_canvas = Canvas(size, size, canvas.pixel_angstrom, canvas.step)
    # The last tiles reach beyond the picture by up to a whole tile.
    padding = ((margin, margin + _TILE_CORE), (margin, margin + _TILE_CORE))
    padded = [(slab.height_um, np.pad(_on(canvas, slab), padding, mode="symmetric")) for slab in slabs]
    contrast = np.empty((canvas.height, canvas.width), np.float32)

    def one(tile: tuple[slice, slice]) -> None:
        rows, columns = tile
        x = ((columns.start + columns.stop - 1) / 2) * canvas.step + (canvas.step - 1) / 2
        y = ((rows.start + rows.stop - 1) / 2) * canvas.step + (canvas.step - 1) / 2
        lifted = float(height_um_at(specimen, x, y))
        total = np.zeros((size, size // 2 + 1), np.complex64)
        for height, phase in padded:
            spectrum = forward(phase[rows.start : rows.start + size, columns.start : columns.start + size])
            _transfer(spectrum, tile_canvas, optics.defocused(height + lifted), tile_canvas, detector, drift_angstrom)
            total += spectrum
        seen = inverse(total, tile_canvas)
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        contrast[tile] = seen[margin : margin + tall, margin : margin + wide]

    on_threads(one, list(tiles_of(canvas.height, canvas.width, _TILE_CORE)))
    return contrast


__all__ = ["expected_micrograph", "height_um_at", "image_contrast", "render_micrograph"]
