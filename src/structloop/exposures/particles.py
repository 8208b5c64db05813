"""How many particles an exposure shows, how crowded they are, and how much of it is empty; any picker may say where."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from structloop.core.errors import ExposureError
from structloop.models.pickers import Picker
from structloop.models.pickers.candidates import find_candidates
from structloop.models.pickers.preparing import prepare

# Emptiness is looked at on a grid of so many cells per diameter.
_CELLS = 3
_FAR_DIAMETERS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class ParticleCount:
    """What was picked.

    Attributes:
        xy_px: Centres (n, 2), pixels of the micrograph.
        probability: (n,).
        per_um2: Density over the area that was looked at.
        overlap: Share whose nearest neighbour is nearer than a diameter; None with fewer than two.
        empty_fraction: Share of that area farther than two diameters from any particle.
    """

    xy_px: NDArray[np.float64]
    probability: NDArray[np.float64]
    per_um2: float
    overlap: float | None
    empty_fraction: float


class ParticleCounter:
    """Counts particles with one picker, which is loaded once.

    Args:
        picker: Any.
        diameter_angstrom: Of the particles; None: what the picker was trained for.
        threshold: Least probability of what counts; None: the picker's own.

    Raises:
        ExposureError: the diameter is not known, or the threshold is no probability.
    """

    def __init__(self, picker: Picker, diameter_angstrom: float | None = None, threshold: float | None = None) -> None:
        card = picker.card
        if diameter_angstrom is None and card.diameter_px is not None and card.pixel_size_angstrom is not None:
            diameter_angstrom = card.diameter_px * card.pixel_size_angstrom
        if diameter_angstrom is None:
            raise ExposureError(
                f"how large particles are is not known, and the picker {card.name} takes any size; give "
                "--diameter-angstrom"
            )
        self.threshold = card.threshold if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise ExposureError(f"the threshold is {self.threshold}; give a probability, 0 to 1")
        self.diameter_angstrom = diameter_angstrom
        self._picker = picker
        # A network takes all cores for itself.
        self._one = threading.Lock()

    @property
    def name(self) -> str:
        """Of the picker, with its version."""
        card = self._picker.card
        return f"{card.name} {card.version}"

    def count(
        self, pixels: NDArray[np.float32], pixel_size_angstrom: float, masked: NDArray[np.bool_] | None
    ) -> ParticleCount:
        """The particles of a micrograph.

        Args:
            pixels: (y, x).
            pixel_size_angstrom: Of the pixels.
            masked: True where none are looked for; of any size, stretched over the micrograph.

        Raises:
            ParticlesError: the micrograph is narrower than two particles.
            ImageError: all its pixels are the same.
        """
        card = self._picker.card
        diameter = self.diameter_angstrom / pixel_size_angstrom
        working = prepare(
            pixels,
            diameter_px=diameter,
            mask=masked,
            contrast=card.contrast,
            working_diameter_px=card.working_diameter_px,
        )
        with self._one:
            (score_map,) = self._picker.score_maps([working])
        xy, probability = find_candidates(card, score_map, working)
        kept = probability >= self.threshold
        return described(xy[kept], probability[kept], pixels.shape, diameter, pixel_size_angstrom, masked)


def described(
    xy: NDArray[np.float64],
    probability: NDArray[np.float64],
    shape: tuple[int, ...],
    diameter_px: float,
    pixel_size_angstrom: float,
    masked: NDArray[np.bool_] | None,
) -> ParticleCount:
    """Density, overlap and emptiness of particles.

    Args:
        xy: Centres (n, 2), pixels.
        probability: (n,).
        shape: (height, width) of the micrograph.
        diameter_px: Of the particles.
        pixel_size_angstrom: Of the pixels.
        masked: True where none were looked for; of any size.
    """
    cell = max(diameter_px / _CELLS, 1.0)
    rows, columns = (max(int(side / cell), 1) for side in shape)
    looked_at = np.ones((rows, columns), np.bool_)
    if masked is not None:
        y = ((np.arange(rows) + 0.5) * masked.shape[0] / rows).astype(np.intp)
        x = ((np.arange(columns) + 0.5) * masked.shape[1] / columns).astype(np.intp)
        looked_at = ~masked[np.ix_(y, x)]
    area_um2 = shape[0] * shape[1] * float(looked_at.mean()) * (pixel_size_angstrom * 1e-4) ** 2
    free = np.ones((rows, columns), np.bool_)
    if len(xy):
        at_y = np.clip((xy[:, 1] + 0.5) * rows / shape[0], 0, rows - 1).astype(np.intp)
        at_x = np.clip((xy[:, 0] + 0.5) * columns / shape[1], 0, columns - 1).astype(np.intp)
        free[at_y, at_x] = False
        far = ndimage.distance_transform_edt(free) * cell > _FAR_DIAMETERS * diameter_px
    else:
        far = free
    empty = float(far[looked_at].mean()) if looked_at.any() else 1.0
    overlap = None
    if len(xy) > 1:
        nearest = np.asarray(cKDTree(xy).query(xy, k=2)[0])[:, 1]
        overlap = float((nearest < diameter_px).mean())
    density = len(xy) / area_um2 if area_um2 > 0 else 0.0
    return ParticleCount(xy, probability, density, overlap, empty)


__all__ = ["ParticleCount", "ParticleCounter", "described"]
