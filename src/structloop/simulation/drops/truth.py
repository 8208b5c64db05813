"""What is true of a rendered image."""

from dataclasses import dataclass

import numpy as np

from structloop.simulation.drops.contents import Content
from structloop.simulation.drops.painting import Box, CrystalLayer
from structloop.simulation.drops.scene import DropScene
from structloop.simulation.drops.view import FloatImage, blur

SEEN_CONTRAST = 0.1
SEEN_PROMINENCE = 0.9
SEEN_PX = 7.0


@dataclass(frozen=True, slots=True)
class DropTruth:
    """Truth about one rendered image.

    Attributes:
        contents: What the scene holds.
        grade: ISPyB grade of the scene, 0 to 9.
        crystal: True if the image's right label is crystal: any crystal in visible light, protein crystals in UV.
        boxes: Those crystals as (x0, y0, x1, y1), pixels, upper bounds exclusive.
        area_fraction: Part of the image that they cover.
        largest_px: Size of the largest one in pixels, 0 without any.
        contrast: Relative change of brightness that they make where they change it most.
        prominence: That change (root mean square over the crystals) over that of everything else around them.
        recognisable: False where there are crystals that nobody could see: too small, too faint or too well hidden.
    """

    contents: tuple[Content, ...]
    grade: int
    crystal: bool
    boxes: tuple[Box, ...]
    area_fraction: float
    largest_px: float
    contrast: float
    prominence: float
    recognisable: bool


def measure(
    scene: DropScene,
    layer: CrystalLayer | None,
    counted: list[bool],
    without: FloatImage,
    with_crystals: FloatImage,
    noise: float,
    pixels: int,
) -> DropTruth:
    """Compare a window of an image with and without its crystals.

    Args:
        scene: The scene.
        layer: Its crystals, None if there are none in view.
        counted: Which of the layer's crystals make the label true.
        without: The window without crystals, 0..1, shape (h, w).
        with_crystals: The same with crystals.
        noise: Standard deviation of the camera's noise.
        pixels: Pixels of the whole image.
    """
    if layer is None or not any(counted):
        return DropTruth(scene.contents, scene.grade, False, (), 0.0, 0.0, 0.0, 0.0, True)
    boxes = tuple(box for box, count in zip(layer.boxes, counted, strict=True) if count)
    largest = float(layer.widths_px[np.array(counted)].max())
    level = np.maximum(without, 0.03)
    change = np.abs(with_crystals - without) / level
    inside = layer.mask > 0.3
    if not inside.any():
        inside = layer.mask >= layer.mask.max()
    contrast = float(np.percentile(change[inside], 90))
    texture = (without - blur(without, 6.0)) / level
    around = float(np.sqrt(np.mean(texture[inside] ** 2)) + noise / float(level[inside].mean()))
    prominence = float(np.sqrt(np.mean(change[inside] ** 2))) / max(around, 1e-3)
    seen = contrast >= SEEN_CONTRAST and prominence >= SEEN_PROMINENCE and largest >= SEEN_PX
    area = float(inside.sum()) / pixels
    return DropTruth(scene.contents, scene.grade, True, boxes, area, largest, contrast, prominence, seen)
