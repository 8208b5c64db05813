"""A classifier whose score rests on two known places of an image, and a picture with something in both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.models.classifiers.protocol import ImageBatch, PreparedImage
from structloop.schema.images import Modality
from support.classifiers import brightness_card

FOR, AGAINST = (0.71, 0.17), (0.29, 0.83)
"""Middles (x, y), as shares, of the places that speak for and against a crystal."""

SIZE = (240, 180)
_SIDE = 0.08


class TwoPlaces:
    """Bright spots at `FOR` raise the log-odds, bright spots at `AGAINST` lower it; nothing else matters."""

    def __init__(self) -> None:
        self.card = brightness_card()
        self.batches: list[int] = []

    def prepare(self, image: Image.Image, modality: Modality) -> PreparedImage:
        grey = np.asarray(image.convert("L").resize(SIZE), dtype=np.float32) / np.float32(255)
        return np.array([[[_brightness(grey, FOR), _brightness(grey, AGAINST)]]], dtype=np.float32)

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        self.batches.append(len(batch))
        values = np.asarray(batch, dtype=np.float32).reshape(len(batch), 2)
        return np.stack([4 * (values[:, 0] - values[:, 1]), np.zeros(len(batch), np.float32)], axis=1)


def _brightness(grey: NDArray[np.float32], place: Sequence[float]) -> float:
    height, width = grey.shape
    y, x, side = round(place[1] * height), round(place[0] * width), round(_SIDE * width / 2)
    return float(grey[y - side : y + side, x - side : x + side].mean())


def two_spots(path: Path | None = None) -> Image.Image:
    """A dark picture with a bright square in both places; written to `path` where one is given."""
    pixels = np.full((SIZE[1], SIZE[0]), 40, dtype=np.uint8)
    side = round(_SIDE * SIZE[0] / 2)
    for x, y in (FOR, AGAINST):
        column, row = round(x * SIZE[0]), round(y * SIZE[1])
        pixels[row - side : row + side, column - side : column + side] = 240
    image = Image.fromarray(pixels)
    if path is not None:
        image.save(path)
    return image


__all__ = ["AGAINST", "FOR", "SIZE", "TwoPlaces", "two_spots"]
