"""What lies under the beam at one place, in the frame of one image: the seam between scenes and what renders them.

A scene (`simulation.grids`) says what is at a place; the renderers of exposures and movies (`simulation.micrographs`,
`simulation.movies`) turn it into counts, and may as well be given a specimen that was made up alone.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


@dataclass(frozen=True)
class Particles:
    """Molecules in the ice; all arrays have one entry per molecule.

    Attributes:
        x_px, y_px: Centres, pixels of the image, sub-pixel; may lie a little outside of it.
        z_nm: Height above the middle of the ice, nanometres (it changes the molecule's own defocus).
        rotation: Orientation, unit quaternions (w, x, y, z), shape (n, 4).
        kind: Index into `kinds`.
        intact: 1 for a whole molecule, down to 0 for one that the air-water interface tore apart.
        kinds: Names of the molecules, of those `simulation.molecules` has.
    """

    x_px: FloatArray
    y_px: FloatArray
    z_nm: FloatArray
    rotation: FloatArray
    kind: IntArray
    intact: FloatArray
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Blob:
    """A lump on the specimen: an ice crystal, an ethane flake, an aggregate of protein, a bead of gold.

    Attributes:
        x_px, y_px, radius_px: Pixels of the image.
        thickness_nm: At its middle.
        material: "ice", "protein" or "gold".
        roughness: 0 for a smooth round lump, 1 for a jagged one.
    """

    x_px: float
    y_px: float
    radius_px: float
    thickness_nm: float
    material: str
    roughness: float
    seed: int


@dataclass(frozen=True)
class Specimen:
    """What one image shows, `(y, x)` maps on a coarse grid that spans the whole image, edge to edge.

    Attributes:
        width_px, height_px, pixel_size_angstrom: Of the image.
        ice_nm: Thickness of vitreous ice, nanometres; 0 is vacuum.
        film: Share of support film, 0 to 1 (soft at the edges of holes).
        film_nm, film_material: Its thickness and what it is made of ("carbon" or "gold").
        crystalline: Share of the ice that is crystalline, 0 to 1.
        stain_nm: Thickness of heavy stain; zeros in cryo.
        particles, blobs: What is in and on it.
        tilt_deg, tilt_axis_deg: Of the specimen: height, and with it defocus, changes across the image.
        height_um: How far the specimen's middle lies above the eucentric plane; adds to what the defocus is set to.
        drift_angstrom_per_s: Stage drift (x, y) while it is imaged.
        seed: Of everything random that is not in the maps: granular film, structural noise, jagged edges.
        debris_per_um2: Small pieces of protein in the ice (about 8 kDa each, some larger): what came apart, and dirt of
            the sample. They are clutter, not listed one by one.
        rough_nm: Standard deviation of the ice's thickness over some ten nanometres, where there is ice.
    """

    width_px: int
    height_px: int
    pixel_size_angstrom: float
    ice_nm: FloatArray
    film: FloatArray
    film_nm: float
    film_material: str
    crystalline: FloatArray
    stain_nm: FloatArray
    particles: Particles
    blobs: tuple[Blob, ...] = field(default=())
    tilt_deg: float = 0.0
    tilt_axis_deg: float = 0.0
    height_um: float = 0.0
    drift_angstrom_per_s: tuple[float, float] = (0.0, 0.0)
    seed: int = 0
    debris_per_um2: float = 0.0
    rough_nm: float = 0.0


__all__ = ["Blob", "FloatArray", "IntArray", "Particles", "Specimen"]
