"""Made-up collection sessions: holes whose quality varies by region as it does on real grids.

The log CTF resolution of a hole is the sum of effects of its atlas tile, square, patch and its own, with the shares
of variance
that were published for a real session of 3,538 exposures: 15, 12, 15 and 57 per cent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VARIANCE_SHARES = {"tile": 0.15, "square": 0.12, "patch": 0.15, "hole": 0.57}
LOG_RESOLUTION_SD = 0.45


@dataclass(frozen=True)
class SimulatedSession:
    """Columns of a session, as a recorded one has them; lengths are equal.

    Attributes:
        hole_id, atlas_tile, square, patch: Names.
        x_px, y_px: Position in the patch's image, pixels, on a tilted square lattice.
        predicted_angstrom: What a good network would predict beforehand (AUC about .91), angstrom.
        measured_angstrom: To where the CTF fits once exposed, angstrom; 20 where nothing fits.
    """

    hole_id: list[str]
    atlas_tile: list[str]
    square: list[str]
    patch: list[str]
    x_px: list[float]
    y_px: list[float]
    predicted_angstrom: list[float]
    measured_angstrom: list[float]

    def columns(self) -> dict[str, list[str] | list[float]]:
        """The session under the column names of recorded ones."""
        return {
            "hole_id": self.hole_id,
            "atlas_tile": self.atlas_tile,
            "square": self.square,
            "patch": self.patch,
            "x_px": self.x_px,
            "y_px": self.y_px,
            "predicted_ctf_resolution_A": self.predicted_angstrom,
            "ctf_max_resolution_A": self.measured_angstrom,
        }


def simulate_session(
    seed: int, *, tiles: int = 8, good_share: float = 0.4, good_angstrom: float = 6.0
) -> SimulatedSession:
    """A session of some 1,000 to 3,000 holes.

    Args:
        seed: Makes it reproducible.
        tiles: Number of atlas tiles.
        good_share: Share of holes with a resolution of `good_angstrom` or better.
        good_angstrom: Where good begins.

    Raises:
        ValueError: fewer than one tile, or a share outside 0 to 1.
    """
    if tiles < 1 or not 0 < good_share < 1:
        raise ValueError(f"tiles {tiles} must be at least 1 and good_share {good_share} between 0 and 1")
    rng = np.random.default_rng(seed)
    sd = {name: LOG_RESOLUTION_SD * np.sqrt(share) for name, share in VARIANCE_SHARES.items()}
    names: list[tuple[str, str, str, str]] = []
    positions: list[NDArray[np.float64]] = []
    level: list[float] = []
    square = patch = 0
    for tile in range(tiles):
        of_tile = rng.normal(0, sd["tile"])
        for _ in range(rng.integers(1, 5)):
            of_square = of_tile + rng.normal(0, sd["square"])
            for _ in range(rng.integers(3, 12)):
                of_patch = of_square + rng.normal(0, sd["patch"])
                for position in _lattice(rng, rows=int(rng.integers(3, 6)), columns=int(rng.integers(3, 7))):
                    names.append((f"h{len(names):04d}", f"t{tile:02d}", f"s{square:02d}", f"p{patch:03d}"))
                    positions.append(position)
                    level.append(of_patch + rng.normal(0, sd["hole"]))
                patch += 1
            square += 1
    log_resolution = np.array(level)
    log_resolution += np.log(good_angstrom) - np.quantile(log_resolution, good_share)
    predicted = np.exp(log_resolution + rng.normal(0, 0.33, len(level)))
    measured = np.minimum(np.exp(log_resolution), 20.0)
    # A bad hole often has no fit at all.
    measured[(measured > good_angstrom) & (rng.random(len(level)) < 0.3)] = 20.0
    ids, tile_names, square_names, patch_names = (list(column) for column in zip(*names, strict=True))
    return SimulatedSession(
        hole_id=ids,
        atlas_tile=tile_names,
        square=square_names,
        patch=patch_names,
        x_px=[round(float(x), 1) for x, _ in positions],
        y_px=[round(float(y), 1) for _, y in positions],
        predicted_angstrom=[round(float(value), 3) for value in predicted],
        measured_angstrom=[round(float(value), 3) for value in measured],
    )


def _lattice(rng: np.random.Generator, *, rows: int, columns: int) -> list[NDArray[np.float64]]:
    """Holes of one patch: a slightly rotated square lattice with a few holes missing."""
    angle = np.deg2rad(rng.normal(3, 1))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = np.array([(x - columns / 2, y - rows / 2) for y in range(rows) for x in range(columns)]) * 180.0
    grid = grid @ rotation.T + rng.normal(0, 3, grid.shape)
    keep = rng.random(len(grid)) > 0.08
    return list(grid[keep]) or list(grid[:1])


__all__ = ["SimulatedSession", "simulate_session"]
