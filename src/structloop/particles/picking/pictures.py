"""Pictures to look at: a micrograph with what is masked tinted, and its picks as circles coloured by probability."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from structloop.core.errors import PictureFileError
from structloop.particles.coordinates import plain_name
from structloop.particles.masking import REASONS
from structloop.particles.picking.journal import PickedMicrograph
from structloop.particles.picking.preparing import Prepared

_SIDE_PX = 1024
_TINTS = {"border": (90, 90, 220), "film": (220, 90, 90), "lump": (80, 190, 80), "crystalline": (220, 180, 60)}
# From barely to surely; told apart by the colour-blind as well.
_SURE, _UNSURE = np.array((255, 221, 60)), np.array((70, 40, 130))


def draw_picks(prepared: Prepared, picked: PickedMicrograph, threshold: float) -> Image.Image:
    """A picture, about 1024 pixels along its longer side.

    What is masked is tinted (blue border, red film, green lumps, yellow crystalline ice); circles have the particle's
    diameter, from violet (barely at the threshold) to yellow (surely a particle).
    """
    height, width = prepared.mask.native_shape
    zoom = _SIDE_PX / max(height, width)
    shape = (max(1, round(height * zoom)), max(1, round(width * zoom)))
    used = [int(np.ceil(side / prepared.micrograph.scale)) for side in (height, width)]
    pixels = prepared.micrograph.pixels[: used[0], : used[1]]
    grey = np.clip((ndimage.gaussian_filter(pixels, 0.7) + 2.5) / 5.0, 0, 1) * 255
    picture = np.asarray(Image.fromarray(grey.astype(np.uint8)).resize(shape[::-1], Image.Resampling.BILINEAR))
    colour = np.repeat(picture[:, :, None], 3, axis=2).astype(np.float32)
    for reason in reversed(REASONS):
        where = _enlarged(prepared.mask.reasons[reason], shape)
        colour[where] = 0.6 * colour[where] + 0.4 * np.array(_TINTS[reason], np.float32)
    image = Image.fromarray(colour.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    radius = picked.diameter_px * zoom / 2
    kept = picked.probability >= threshold
    for (x, y), probability in zip(picked.xy_px[kept] * zoom, picked.probability[kept], strict=True):
        share = (probability - threshold) / max(1 - threshold, 1e-6)
        tint = tuple(int(value) for value in _UNSURE + share * (_SURE - _UNSURE))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=tint, width=2)
    return image


def save_picture(prepared: Prepared, picked: PickedMicrograph, threshold: float, folder: Path) -> Path:
    """Draws into `folder`, under the micrograph's name with `.png`.

    Raises:
        PictureFileError: it cannot be written.
    """
    path = folder / f"{plain_name(prepared.found.name)}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draw_picks(prepared, picked, threshold).save(path)
    except OSError as error:
        raise PictureFileError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _enlarged(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = ((np.arange(side) * have) // side for side, have in zip(shape, mask.shape, strict=True))
    return np.asarray(mask[np.ix_(rows, columns)])


__all__ = ["draw_picks", "save_picture"]
