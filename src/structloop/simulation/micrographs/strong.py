"""The coarse and strong part of the picture: edges of film, gold, lumps and thickness, as a wave and its intensity.

Thick and dense things shift the phase by many radians, where the weak-phase approximation fails. They have no fine
detail, so the whole wave is computed on pixels of at most 4.5 Angstrom (or the picture's own, if coarser): projected
phase and attenuation, exp(i phase - loss / 2), through the lens, squared. Fringes at edges come out as they should.
"""

import numpy as np
from scipy import fft, ndimage

from structloop.simulation.micrographs.canvas import Canvas, in_bands, looked_up, radial_table, worker_count
from structloop.simulation.micrographs.materials import CARBON, FILMS, GOLD, ICE, LUMPS, STAIN
from structloop.simulation.micrographs.noise import generator_of, structural_field
from structloop.simulation.optics import Optics, interaction_rad_per_volt_angstrom
from structloop.simulation.specimen import Blob, FloatArray, Specimen

_COARSE_ANGSTROM = 4.5
# Beyond the borders the wave is known as far as the lens brings it into the picture, and some more.
_LEAST_MARGIN_ANGSTROM, _MOST_MARGIN_ANGSTROM = 80.0, 1500.0
_EDGE_ANGSTROM = 18.0
_EDGE, _GRAINS, _LEOPARD, _SURFACE = 11, 12, 13, 14


def coarse_canvas(specimen: Specimen, canvas: Canvas) -> Canvas:
    """The grid that the strong part is computed on; the picture's own when that is coarse."""
    step = int(_COARSE_ANGSTROM // specimen.pixel_size_angstrom)
    while step > 1 and (specimen.width_px % step or specimen.height_px % step):
        step -= 1
    return canvas if canvas.step >= step else Canvas.of(specimen, step)


def film_share(specimen: Specimen, canvas: Canvas) -> FloatArray | None:
    """Share of film on a grid with physically sharp, slightly rough edges where the coarse map crosses one half.

    None where there is no film at all.
    """
    if not specimen.film.any():
        return None
    if specimen.film.min() > 0.98:
        return np.ones((canvas.height, canvas.width), np.float32)
    share = canvas.stretched(specimen.film)
    down, across = np.gradient(share)
    slope = np.hypot(down, across)
    slope /= np.float32(canvas.pixel_angstrom)
    rough = structural_field(canvas, specimen.seed, _EDGE, _edge_roughness)
    share -= np.float32(0.5)
    # Distance to the edge in Angstrom, from the map's own slope; far from it the slope vanishes and the sign decides.
    share /= np.maximum(slope, np.float32(2e-5))
    share += rough
    share *= np.float32(1 / _EDGE_ANGSTROM)
    np.clip(share, -8, 8, out=share)
    return np.asarray(1 / (1 + np.exp(-share)), np.float32)


def _edge_roughness(k: FloatArray) -> FloatArray:
    """Edges wander by some 10 Angstrom over some 100."""
    width = 1 / 600.0
    return np.asarray(10.0**2 * np.exp(-((k / width) ** 2) / 2) / (2 * np.pi * width**2), np.float32)


def _texture(canvas: Canvas, specimen: Specimen, purpose: int, size_angstrom: float) -> FloatArray:
    """Random field of unit variance with structure of about a size."""
    width = 1 / (2 * np.pi * size_angstrom / 2)

    def density(k: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-((k / width) ** 2) / 2) / (2 * np.pi * width**2), np.float32)

    return structural_field(canvas, specimen.seed, purpose, density)


def strong_intensity(specimen: Specimen, optics: Optics, canvas: Canvas, film: FloatArray | None) -> FloatArray:
    """Share of the electrons (height, width) that the strong part lets through, with fringes, on a coarse grid.

    Args:
        specimen: What to show.
        optics: Defocus and voltage; the specimen's height is already in it.
        canvas: The coarse grid.
        film: Share of film on it.
    """
    ice = canvas.stretched(specimen.ice_nm)
    loss = ice * np.float32(1 / ICE.mean_free_path_nm(optics))
    radian = np.float32(interaction_rad_per_volt_angstrom(optics.voltage_kv) * 10)
    phase = ice * (radian * np.float32(ICE.potential_volts))
    smooth = film is None and not specimen.blobs
    if specimen.stain_nm.any():
        stain = canvas.stretched(specimen.stain_nm)
        loss += stain * np.float32(1 / STAIN.mean_free_path_nm(optics))
        phase += stain * (radian * np.float32(STAIN.potential_volts))
    if specimen.crystalline.any():
        loss += _diffraction_contrast(specimen, canvas)
    if film is not None:
        material = FILMS.get(specimen.film_material, CARBON)
        thickness = film * np.float32(specimen.film_nm)
        if material is GOLD:
            grains = _texture(canvas, specimen, _GRAINS, 350.0)
            thickness = thickness * np.exp(np.float32(0.25) * grains)
        # The rim of a hole is rounded and thicker than the film.
        thickness = thickness * (1 + 2 * film * (1 - film))
        loss += thickness * np.float32(1 / material.mean_free_path_nm(optics))
        phase += thickness * (radian * np.float32(material.potential_volts))
    for blob in specimen.blobs:
        _add_blob(blob, specimen, optics, canvas, loss, phase)
    if smooth:
        return np.asarray(np.exp(-loss), np.float32)
    return _through_lens(phase, loss, optics, canvas)


def _diffraction_contrast(specimen: Specimen, canvas: Canvas) -> FloatArray:
    """Loss by Bragg reflection in crystalline ice: grains that happen to be oriented are dark."""
    share = canvas.stretched(specimen.crystalline)
    grain = _texture(canvas, specimen, _LEOPARD, 170.0)
    coarse = _texture(canvas, specimen, _LEOPARD + 40, 450.0)
    fine = _texture(canvas, specimen, _LEOPARD + 80, 60.0)
    loss = np.exp(np.float32(0.45) * grain + np.float32(0.3) * coarse + np.float32(0.35) * fine)
    # Lines where grains meet are dark: where one of the smooth fields changes its sign.
    lines = np.exp(-np.square(grain / np.float32(0.12))) + np.exp(-np.square(coarse / np.float32(0.06)))
    loss += np.float32(0.5) * lines
    return np.asarray(share * np.float32(0.055) * loss, np.float32)


def _add_blob(
    blob: Blob, specimen: Specimen, optics: Optics, canvas: Canvas, loss: FloatArray, phase: FloatArray
) -> None:
    """Add one lump: a dome whose outline and height are rougher with `roughness`."""
    x, y = (float(canvas.to_here(value)) for value in (blob.x_px, blob.y_px))
    radius = max(blob.radius_px / canvas.step, 0.5)
    reach = int(radius * (1.3 + 0.6 * blob.roughness)) + 3
    left, right = max(0, int(x) - reach), min(canvas.width, int(x) + reach + 1)
    top, bottom = max(0, int(y) - reach), min(canvas.height, int(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    generator = generator_of(specimen.seed, 0xB10B, blob.seed)
    across = (np.arange(left, right, dtype=np.float32) - x)[None, :] / radius
    down = (np.arange(top, bottom, dtype=np.float32) - y)[:, None] / radius
    dome = _lump(across, down, blob.roughness, generator)
    material = LUMPS.get(blob.material, ICE)
    thickness = dome * np.float32(blob.thickness_nm)
    where = (slice(top, bottom), slice(left, right))
    radian = interaction_rad_per_volt_angstrom(optics.voltage_kv) * 10
    over = material.potential_volts - (ICE.potential_volts if blob.material == "protein" else 0.0)
    loss[where] += thickness * np.float32(1 / material.mean_free_path_nm(optics))
    phase[where] += thickness * np.float32(radian * over)


def _lump(across: FloatArray, down: FloatArray, roughness: float, generator: np.random.Generator) -> FloatArray:
    """Height (0 to 1) of a lump of unit radius: one dome when smooth, many overlapping lobes when rough."""
    lobes = 1 + round(10 * roughness)
    total = np.zeros(np.broadcast_shapes(across.shape, down.shape), np.float32)
    squeeze, turn = 1 + 0.25 * generator.random(), generator.uniform(0, np.pi)
    for index in range(lobes):
        spread = 0.0 if index == 0 else 0.75 * roughness
        cx, cy = generator.normal(0, 0.6, 2) * spread
        size = 1.0 if lobes == 1 else generator.uniform(0.25, 0.75) + 0.25 * (1 - roughness)
        dx, dy = across - np.float32(cx), down - np.float32(cy)
        u = (dx * np.float32(np.cos(turn)) + dy * np.float32(np.sin(turn))) * np.float32(squeeze / size)
        v = (dy * np.float32(np.cos(turn)) - dx * np.float32(np.sin(turn))) * np.float32(1 / (squeeze * size))
        turn += generator.uniform(0, np.pi)
        height = np.sqrt(np.maximum(1 - u * u - v * v, 0)) * np.float32(min(1.0, size * 1.3))
        total = np.maximum(total, height)
    return total


def _through_lens(phase: FloatArray, loss: FloatArray, optics: Optics, canvas: Canvas) -> FloatArray:
    """Intensity of the wave exp(i phase - loss / 2) in the image; mirrored at the borders, electrons conserved."""
    margin = min(round(reach_angstrom(optics, canvas) / canvas.pixel_angstrom), canvas.height - 1, canvas.width - 1)
    tall = int(fft.next_fast_len(canvas.height + 2 * margin))
    wide = int(fft.next_fast_len(canvas.width + 2 * margin))
    before = (margin, margin)
    after = (tall - canvas.height - margin, wide - canvas.width - margin)
    padding = ((before[0], min(after[0], canvas.height)), (before[1], min(after[1], canvas.width)))
    phase = np.pad(phase, padding, mode="symmetric")
    amplitude = np.exp(np.pad(loss, padding, mode="symmetric") * np.float32(-0.5))
    wave = np.empty(phase.shape, np.complex64)
    np.multiply(amplitude, np.cos(phase), out=wave.real)
    np.multiply(amplitude, np.sin(phase), out=wave.imag)
    electrons = float(np.square(amplitude).mean())
    spectrum = fft.fft2(wave, workers=worker_count(), overwrite_x=True)
    kx = np.fft.fftfreq(phase.shape[1], canvas.pixel_angstrom).astype(np.float32)[None, :]
    ky = np.fft.fftfreq(phase.shape[0], canvas.pixel_angstrom).astype(np.float32)[:, None]
    unscattered = spectrum[0, 0]
    highest = float(np.hypot(kx.min(), ky.min()))
    damping = radial_table(optics.damping, highest)
    amplitude_phase = np.float32(np.arcsin(optics.amplitude_contrast))
    coma = any(optics.beam_tilt_mrad)

    def lens(band: slice) -> None:
        turn = optics.phase(kx, ky[band])
        turn -= amplitude_phase
        if coma:
            turn += optics.coma_phase(kx, ky[band])
        size = looked_up(damping, kx, ky[band], highest)
        transfer = np.empty(turn.shape, np.complex64)
        np.multiply(size, np.cos(turn), out=transfer.real)
        np.multiply(size, np.sin(turn), out=transfer.imag)
        spectrum[band] *= transfer

    in_bands(len(ky), lens)
    # The phase plate leaves the unscattered beam alone.
    spectrum[0, 0] = unscattered
    wave = fft.ifft2(spectrum, workers=worker_count(), overwrite_x=True)
    intensity = np.square(wave.real) + np.square(wave.imag)
    intensity *= np.float32(electrons / max(float(intensity.mean()), 1e-12))
    inside = intensity[margin : margin + canvas.height, margin : margin + canvas.width]
    return np.ascontiguousarray(inside, np.float32)


def reach_angstrom(optics: Optics, canvas: Canvas) -> float:
    """How far beyond its border a picture depends on what lies there, Angstrom.

    Twice what the lens displaces the finest waves of the grid by, which is the gradient of its phase over 2 pi.
    """
    k, wavelength = 0.5 / canvas.pixel_angstrom, optics.wavelength_angstrom
    defocus = max(abs(optics.defocus_u_um), abs(optics.defocus_v_um)) * 1e4
    reach = wavelength * defocus * k + optics.cs_mm * 1e7 * wavelength**3 * k**3
    return float(min(max(2 * reach, _LEAST_MARGIN_ANGSTROM), _MOST_MARGIN_ANGSTROM))


def enlarged(image: FloatArray, coarse: Canvas, canvas: Canvas) -> FloatArray:
    """An image of a coarse grid on a finer one: a quadratic spline through its pixels."""
    if coarse is canvas:
        return image
    return canvas.stretched(np.asarray(ndimage.spline_filter(image, 2, np.float32, mode="nearest")))


def over_pixels(image: FloatArray, canvas: Canvas) -> FloatArray:
    """An image sampled at pixel centres averaged over the binned pixels (to second order)."""
    if canvas.step == 1:
        return image
    beside = np.float32((1 - 1 / canvas.step**2) / 24)
    averaged = np.empty_like(image)

    def average(band: slice) -> None:
        rows = np.pad(image[max(band.start - 1, 0) : band.stop + 1], _lacking(band, len(image)), mode="edge")
        across = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
        rows = (1 - 2 * beside) * rows + beside * (across[:, :-2] + across[:, 2:])
        np.add(rows[:-2], rows[2:], out=averaged[band])
        averaged[band] *= beside
        averaged[band] += (1 - 2 * beside) * rows[1:-1]

    in_bands(len(image), average)
    return averaged


def _lacking(band: slice, rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and below a band that an image does not have."""
    return (int(band.start == 0), int(band.stop == rows)), (0, 0)


__all__ = ["coarse_canvas", "enlarged", "film_share", "over_pixels", "reach_angstrom", "strong_intensity"]
