"""Maps of values laid over pictures, in colours that any colour vision tells apart."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ABOVE, BELOW = (0xD5, 0x5E, 0x00), (0x56, 0xB4, 0xE9)
"""Vermilion for values above zero, sky blue for those below (Okabe & Ito)."""

MOST_OPAQUE = 0.75
NOT_DRAWN = 0.08
"""Values below this share of the scale are not drawn, so that what matters stands alone."""


def diverging_overlay(values: NDArray[np.float64], scale: float, size: tuple[int, int]) -> Image.Image:
    """A map as a see-through `RGBA` picture: the larger a value, the less is seen through.

    Args:
        values: `(y, x)`, above and below zero.
        scale: The value at which it is as opaque as it gets; above zero.
        size: Width and height of the picture.

    Raises:
        ValueError: `scale` is not above zero.
    """
    if not scale > 0:
        raise ValueError(f"scale = {scale} must be above 0")
    strength = MOST_OPAQUE * np.clip((np.abs(values) / scale - NOT_DRAWN) / (1 - NOT_DRAWN), 0, 1)
    picture = np.zeros((*values.shape, 4), dtype=np.uint8)
    for where, colour in ((values > 0, ABOVE), (values < 0, BELOW)):
        picture[where, :3] = colour
    picture[..., 3] = np.rint(255 * strength)
    # Colour and opacity must be enlarged together, or the border between the two colours would darken.
    premultiplied = picture.astype(np.float64)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    layers = [
        np.asarray(
            Image.fromarray(premultiplied[..., layer].astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
        )
        for layer in range(4)
    ]
    alpha = np.maximum(layers[3], 1e-6)
    colours = [np.clip(255 * layer / alpha, 0, 255) for layer in layers[:3]]
    return Image.fromarray(np.rint(np.stack([*colours, layers[3]], axis=-1)).astype(np.uint8))


__all__ = ["ABOVE", "BELOW", "MOST_OPAQUE", "NOT_DRAWN", "diverging_overlay"]
