"""The fine and weak part of the picture: molecules and the grain of ice, film and stain, as phases of the wave."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from structloop.simulation.micrographs.canvas import Canvas, mapped, one_thread_each
from structloop.simulation.micrographs.materials import CARBON, FILMS, GOLD, ICE, PROTEIN, STAIN, Material
from structloop.simulation.micrographs.noise import forward, inverse, structural_field
from structloop.simulation.micrographs.strong import reach_angstrom
from structloop.simulation.molecules import PROTEIN_OVER_ICE_VOLTS, Molecule, molecule, project
from structloop.simulation.optics import Optics, interaction_rad_per_volt_angstrom
from structloop.simulation.specimen import FloatArray, Particles, Specimen

_ICE, _FILM, _STAIN, _CRYSTAL = 1, 2, 3, 4
_OWN_DEFOCUS_MATTERS_RAD = 0.3
_BATCH = 64
# Pixels of so many of the narrowest blob's standard deviations show all there is to see of it.
_SAMPLED_SIGMA = 0.85
_CRYSTAL_RINGS_ANGSTROM = ((3.90, 1.0), (3.67, 0.7), (3.44, 0.8), (2.67, 0.4), (2.25, 0.5))


# Pieces of protein: share of their number, excess potential (volt cubic Angstrom), radius of gyration (Angstrom).
_PIECES = tuple(
    (share, kda * 1210 * PROTEIN_OVER_ICE_VOLTS, radius) for share, kda, radius in ((1, 8, 13), (0.08, 40, 24))
)
_ROUGH_ANGSTROM = 250.0

Density = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Slab:
    """Phases (height, width) in radians of what lies at one height (micrometres, towards more underfocus).

    `canvas` is the grid they are on: that of the picture or, where there is nothing finer in them, a coarser one. It
    reaches `margin` of its pixels over the picture's upper and left border, and as many or a few more over the others:
    a molecule cut off at the border would be seen as an edge there, and on the side opposite.
    """

    height_um: float
    phase: FloatArray
    canvas: Canvas
    margin: int = 0


def weak_slabs(specimen: Specimen, optics: Optics, canvas: Canvas, film: FloatArray | None) -> list[Slab]:
    """The weak phase object, in slabs of height where the molecules' own defocus matters.

    Args:
        specimen: What to show.
        optics: For wavelength and voltage.
        canvas: The grid.
        film: Square root of the film's thickness in nanometres on any grid, with sharp edges, or None without film.
    """
    grain = _grain(specimen, optics, canvas, film)
    slabs = _molecules(specimen, optics, _coarse_enough(canvas, specimen.particles.kinds))
    return slabs if grain is None else [Slab(0.0, grain, canvas), *slabs]


def _coarse_enough(canvas: Canvas, kinds: tuple[str, ...]) -> Canvas:
    """The grid, or one that molecules have nothing beyond the Nyquist frequency of (less than a thousandth)."""
    if not kinds:
        return canvas
    finest = _SAMPLED_SIGMA * min(float(_narrowest(molecule(name))) for name in kinds)
    shorter, times = min(canvas.width, canvas.height), int(finest / canvas.pixel_angstrom)
    while times > 1 and (canvas.width % times or canvas.height % times or shorter < 16 * times):
        times -= 1
    if times <= 1:
        return canvas
    return Canvas(canvas.height // times, canvas.width // times, canvas.pixel_angstrom * times, canvas.step * times)


def _grain(specimen: Specimen, optics: Optics, canvas: Canvas, film: FloatArray | None) -> FloatArray | None:
    """Structural noise of everything that is not a molecule."""
    total: FloatArray | None = None

    def add(density: Density, purpose: int, thickness_nm: FloatArray) -> None:
        nonlocal total
        if not thickness_nm.any():
            return
        field = structural_field(canvas, specimen.seed, purpose, density)
        canvas.weigh(field, np.sqrt(np.maximum(thickness_nm, 0)))
        total = field if total is None else np.add(total, field, out=total)

    add(_clutter(specimen, optics), _ICE, specimen.ice_nm)
    add(_density(STAIN, optics, 1.0), _STAIN, specimen.stain_nm)
    if specimen.crystalline.any():
        field = structural_field(canvas, specimen.seed, _CRYSTAL, _crystal_density(optics))
        field *= np.sqrt(np.maximum(canvas.stretched(specimen.crystalline), 0))
        canvas.weigh(field, np.sqrt(np.maximum(specimen.ice_nm, 0)))
        total = field if total is None else np.add(total, field, out=total)
    if film is not None:
        material = FILMS.get(specimen.film_material, CARBON)
        # Gold is polycrystalline: its grains are in the strong part, little is left as fine grain.
        density = _density(material, optics, 0.1 if material is GOLD else 1.0)
        field = structural_field(canvas, specimen.seed, _FILM, density)
        canvas.weigh(field, film)
        total = field if total is None else np.add(total, field, out=total)
    return total


def _clutter(specimen: Specimen, optics: Optics) -> Density:
    """1 nm of this specimen's ice: its atoms, its share of small pieces of protein, and its uneven surface."""
    there = specimen.ice_nm[specimen.ice_nm > 1]
    if there.size == 0 or not (specimen.debris_per_um2 or specimen.rough_nm):
        return _density(ICE, optics, 1.0)
    per_nm = 1 / float(there.mean())
    radian = interaction_rad_per_volt_angstrom(optics.voltage_kv)
    pieces = [
        (specimen.debris_per_um2 * 1e-8 * share * (radian * volts) ** 2, 2 * (2 * np.pi * radius) ** 2 / 6)
        for share, volts, radius in _PIECES
    ]
    rough = (10 * specimen.rough_nm * radian * ICE.potential_volts * _ROUGH_ANGSTROM) ** 2 / (2 * np.pi)

    def density(k: FloatArray) -> FloatArray:
        k2 = np.asarray(k, np.float32) ** 2
        more = np.float32(rough) / (1 + np.float32(_ROUGH_ANGSTROM**2) * k2) ** np.float32(1.5)
        for power, width in pieces:
            more += np.float32(power) * np.exp(np.float32(-width) * k2)
        return np.asarray(ICE.noise_density(k, optics) + more * np.float32(per_nm), np.float32)

    return density


def _density(material: Material, optics: Optics, share: float) -> Density:
    return lambda k: np.asarray(share * material.noise_density(k, optics), np.float32)


def _crystal_density(optics: Optics) -> Density:
    """Sharp rings of hexagonal and cubic ice, as of many small grains; 1 nm of wholly crystalline ice."""
    width = 1 / 250.0

    def density(k: FloatArray) -> FloatArray:
        rings = np.zeros_like(k)
        for spacing, strength in _CRYSTAL_RINGS_ANGSTROM:
            rings += strength * np.exp(-(((k - 1 / spacing) / width) ** 2) / 2)
        return np.asarray(25 * ICE.noise_density(np.full_like(k, 0.27), optics) * rings, np.float32)

    return density


def _molecules(specimen: Specimen, optics: Optics, canvas: Canvas) -> list[Slab]:
    """Molecules' phases in one slab, or in three where their heights change what the CTF does to them."""
    particles = specimen.particles
    if len(particles.x_px) == 0:
        return []
    # Made of blobs, the molecules have next to nothing beyond 1 / 9 Angstrom.
    finest = min(0.5 / canvas.pixel_angstrom, 1 / 9)
    height_um = np.asarray(particles.z_nm, np.float32) * 1e-3
    spread_um = float(np.abs(height_um).max())
    if np.pi * optics.wavelength_angstrom * spread_um * 1e4 * finest**2 < _OWN_DEFOCUS_MATTERS_RAD:
        levels = np.zeros(1, np.float32)
    else:
        near = float(np.sqrt(np.mean(height_um**2)))
        levels = np.array([-near, 0.0, near], np.float32)
    margin = int(np.ceil(reach_angstrom(optics, canvas) / canvas.pixel_angstrom))
    wider = Canvas(
        int(fft.next_fast_len(canvas.height + 2 * margin)),
        int(fft.next_fast_len(canvas.width + 2 * margin)),
        canvas.pixel_angstrom,
        canvas.step,
    )
    fields = [np.zeros((wider.height, wider.width), np.float32) for _ in levels]
    with one_thread_each():
        _paint(particles, specimen, wider, margin, levels, height_um, fields)
    radians = np.float32(interaction_rad_per_volt_angstrom(optics.voltage_kv))
    blur = _extra_sigma(canvas, particles.kinds)
    for field in fields:
        field *= radians
        if blur:
            _sharpen(field, wider, blur)
    return [Slab(float(level), field, wider, margin) for level, field in zip(levels, fields, strict=True)]


def _paint(
    particles: Particles,
    specimen: Specimen,
    canvas: Canvas,
    margin: int,
    levels: FloatArray,
    height_um: FloatArray,
    fields: list[FloatArray],
) -> None:
    """Add every molecule's projected potential, shared between the two nearest levels of height.

    `margin` is how many pixels of the canvas lie before the picture's first.
    """
    known = [molecule(name) for name in particles.kinds]
    blur = _extra_sigma(canvas, particles.kinds)
    xs, ys = (canvas.to_here(at) + np.float32(margin) for at in (particles.x_px, particles.y_px))
    over_medium = _contrast_in_medium(specimen, particles)
    size = np.float32(canvas.pixel_angstrom)

    def paint(index: int) -> tuple[int, slice, slice, FloatArray] | None:
        kind = known[int(particles.kind[index])]
        at = kind.placed(particles.rotation[index], float(particles.intact[index]), _seed_of(specimen.seed, index))
        fringe = 3.3 * (float(kind.sigma.max()) + blur)
        left, right = _span(at[:, 0], fringe, float(xs[index]), canvas.width, canvas.pixel_angstrom)
        top, bottom = _span(at[:, 1], fringe, float(ys[index]), canvas.height, canvas.pixel_angstrom)
        if left >= right or top >= bottom:
            return None
        columns = (np.arange(left, right, dtype=np.float32) - xs[index]) * size
        rows = (np.arange(top, bottom, dtype=np.float32) - ys[index]) * size
        patch = project(kind, at, columns, rows, blur)
        patch *= over_medium[index]
        return index, slice(top, bottom), slice(left, right), patch

    # Computed on all threads, added in order: sums of floats depend on it.
    for start in range(0, len(xs), _BATCH):
        for painted in mapped(paint, range(start, min(start + _BATCH, len(xs)))):
            if painted is None:
                continue
            index, rows, columns, patch = painted
            for level, share in _shares(levels, float(height_um[index])):
                fields[level][rows, columns] += patch if share == 1 else patch * np.float32(share)


def _span(along: FloatArray, fringe: float, centre: float, pixels: int, pixel_angstrom: float) -> tuple[int, int]:
    """First and last pixel (excluded) that a molecule reaches along one axis of the grid."""
    first = int(np.floor(centre + (float(along.min()) - fringe) / pixel_angstrom))
    last = int(np.ceil(centre + (float(along.max()) + fringe) / pixel_angstrom)) + 1
    return max(0, first), min(pixels, last)


def _shares(levels: FloatArray, height_um: float) -> list[tuple[int, float]]:
    """Which levels a height is shared between, linearly; beyond the outer levels it is extended to at most twice."""
    if len(levels) == 1:
        return [(0, 1.0)]
    outer = 0 if height_um < 0 else 2
    share = min(abs(height_um / float(levels[2])), 2.0)
    return [(1, 1 - share), (outer, share)]


def _seed_of(seed: int, index: int) -> int:
    return zlib.crc32(f"{seed}:{index}".encode())


def _contrast_in_medium(specimen: Specimen, particles: Particles) -> FloatArray:
    """Excess potential over what surrounds each molecule, relative to that over ice: negative in heavy stain."""
    count = len(particles.x_px)
    if not specimen.stain_nm.any():
        return np.ones(count, np.float32)
    rows, columns = specimen.stain_nm.shape
    row = np.clip((particles.y_px / specimen.height_px * rows).astype(int), 0, rows - 1)
    column = np.clip((particles.x_px / specimen.width_px * columns).astype(int), 0, columns - 1)
    stain = specimen.stain_nm[row, column]
    ice_rows, ice_columns = specimen.ice_nm.shape
    ice = specimen.ice_nm[
        np.clip((particles.y_px / specimen.height_px * ice_rows).astype(int), 0, ice_rows - 1),
        np.clip((particles.x_px / specimen.width_px * ice_columns).astype(int), 0, ice_columns - 1),
    ]
    stained = stain / np.maximum(stain + ice, 1e-3)
    medium = ICE.potential_volts + stained * (STAIN.potential_volts - ICE.potential_volts)
    return np.asarray((PROTEIN.potential_volts - medium) / (PROTEIN.potential_volts - ICE.potential_volts), np.float32)


def _extra_sigma(canvas: Canvas, kinds: tuple[str, ...]) -> float:
    """Blur (Angstrom) that keeps coarse pixels free of aliases; undone by `_sharpen`."""
    if not kinds:
        return 0.0
    narrowest = min(float(_narrowest(molecule(name))) for name in kinds)
    return 0.0 if canvas.pixel_angstrom < 1.3 * narrowest else 0.5 * canvas.pixel_angstrom


def _narrowest(kind: Molecule) -> float:
    return float(kind.sigma.min())


def _sharpen(field: FloatArray, canvas: Canvas, blur: float) -> None:
    spectrum = forward(field)
    gain = np.float32(2 * np.pi**2 * blur**2)
    spectrum *= np.exp(gain * canvas.kx**2)
    spectrum *= np.exp(gain * canvas.ky**2)
    field[...] = inverse(spectrum, canvas)


__all__ = ["Slab", "weak_slabs"]
