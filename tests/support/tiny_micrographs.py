"""Small micrographs with known particles, made in milliseconds: dark blobs in noise; some with streaked borders."""

from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DIAMETER_PX = 20.0
PIXEL_ANGSTROM = 5.0


@dataclass(frozen=True)
class TinyMicrograph:
    """Pixels (y, x), and the centres (n, 2) of what is in them."""

    pixels: NDArray[np.float32]
    xy_px: NDArray[np.float64]


def tiny_micrograph(
    seed: int, *, height: int = 200, width: int = 280, count: int = 24, noise: float = 0.7, border: int = 0
) -> TinyMicrograph:
    """Discs of diameter 20 px, at least 24 px apart, under noise."""
    draw = np.random.default_rng(seed)
    found: list[NDArray[np.float64]] = []
    for _ in range(4000):
        if len(found) == count:
            break
        place = draw.uniform((16 + border, 16 + border), (width - 16 - border, height - 16 - border))
        if all(np.hypot(*(place - other)) > 24 for other in found):
            found.append(place)
    y, x = np.ogrid[:height, :width]
    dark = np.zeros((height, width))
    for px, py in found:
        near = tuple(slice(max(0, int(at - DIAMETER_PX)), int(at + DIAMETER_PX) + 1) for at in (py, px))
        dark[near] += np.hypot(x[:, near[1]] - px, y[near[0]] - py) < DIAMETER_PX / 2
    pixels = 20.0 - ndimage.gaussian_filter(dark, 1.5) + draw.normal(0, noise, dark.shape)
    if border:
        pixels = np.pad(pixels[border:-border, border:-border], border, mode="edge")
    return TinyMicrograph(pixels.astype(np.float32), np.array(found).reshape(-1, 2))


def write_tiny(
    path: Path, seed: int, pixel_size_angstrom: float | None = PIXEL_ANGSTROM, **how: float
) -> TinyMicrograph:
    """Writes one as MRC."""
    made = tiny_micrograph(seed, **how)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(made.pixels)
        if pixel_size_angstrom is not None:
            file.voxel_size = pixel_size_angstrom
    return made


def write_labels(path: Path, labels: dict[str, NDArray[np.float64]]) -> Path:
    """A flat STAR file of labels."""
    rows = "".join(f"{name} {x:.2f} {y:.2f}\n" for name, places in labels.items() for x, y in places)
    path.write_text(f"data_\n\nloop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n{rows}")
    return path
