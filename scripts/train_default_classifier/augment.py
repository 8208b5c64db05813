"""Turns rendered pairs into training examples: other framing, other optics, other cameras.

A picture and its twin without crystals are framed alike and, half the time, photographed alike, so that the crystals
are the only difference between them.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from render import CELL, Picture
from scipy.ndimage import uniform_filter

from structloop.models.classifiers.compact import HEIGHT_PX, WIDTH_PX, fit_grey
from structloop.models.classifiers.compact_network import EVIDENCE_STRIDE, HEADS

FloatImage = NDArray[np.float32]
Rng = np.random.Generator

EVIDENCE_SHAPE = (HEIGHT_PX // EVIDENCE_STRIDE, WIDTH_PX // EVIDENCE_STRIDE)

DETAIL_SHAPE = (32, 40)
"""Evidence cells of a detail, in y and x."""


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        pixels: `(h, w)` uint8, the network's input.
        cells: `EVIDENCE_SHAPE`, part of each evidence cell that crystals change, 0 to 1.
        label: 1 with crystals in the frame, 0 without, -1 where framing cut most of them off.
        head: index in `HEADS`.
    """

    pixels: NDArray[np.uint8]
    cells: FloatImage
    label: int
    head: int


@dataclass(frozen=True)
class Framing:
    """A rectangle of the picture, in parts of its width and height, then a mirror image and quarter turns."""

    box: tuple[float, float, float, float]
    turns: int
    mirror: bool

    @classmethod
    def draw(cls, rng: Rng) -> "Framing":
        """Mostly the whole image or a little less; sometimes a detail, sometimes a wider field with a border."""
        kind = rng.random()
        low, high = (0.92, 1.02) if kind < 0.4 else (0.55, 1.0) if kind < 0.85 else (1.0, 1.35)
        zoom = rng.uniform(low, high)
        stretch = float(np.exp(rng.normal(0, 0.06)))
        width, height = zoom * stretch, zoom / stretch
        left = rng.uniform(0, 1 - width) if width < 1 else 0.5 - 0.5 * width
        top = rng.uniform(0, 1 - height) if height < 1 else 0.5 - 0.5 * height
        turns = int(rng.choice(4, p=[0.4, 0.1, 0.4, 0.1]))
        return cls((left, top, left + width, top + height), turns, bool(rng.random() < 0.5))

    def apply(self, image: Image.Image, fill: int) -> Image.Image:
        """The framed image; what lies outside the picture is `fill`."""
        width, height = image.size
        left, top, right, bottom = self.box
        box = (round(left * width), round(top * height), round(right * width), round(bottom * height))
        if left < 0 or top < 0 or right > 1 or bottom > 1:
            canvas = Image.new("L", (box[2] - box[0], box[3] - box[1]), fill)
            canvas.paste(image, (-box[0], -box[1]))
            framed = canvas
        else:
            framed = image.crop(box)
        if self.mirror:
            framed = framed.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for _ in range(self.turns):
            framed = framed.transpose(Image.Transpose.ROTATE_90)
        return framed


def load_pair(folder: Path, picture: Picture, rng: Rng) -> list[Example]:
    """A picture and its twin (or the picture alone where it has no crystals), augmented."""
    framing = Framing.draw(rng)
    head = HEADS.index(picture.modality)
    names = [picture.image, picture.twin] if picture.crystal else [picture.image]
    style_seed = int(rng.integers(1 << 31))
    alike = rng.random() < 0.5
    examples = []
    for name in names:
        image = Image.open(folder / name)
        framed = framing.apply(image, int(np.median(np.asarray(image)[::16, ::16])))
        fitted = fit_grey(framed)
        style = np.random.default_rng(style_seed if alike else rng.integers(1 << 31))
        pixels = restyle(fitted, style, uv=picture.modality == "uv")
        cells = np.zeros(EVIDENCE_SHAPE, np.float32)
        label = 0
        if picture.crystal and name == picture.image:
            cells, label = _framed_cells(folder / picture.cells, image.size, framing)
        examples.append(Example(pixels, cells, label, head))
    return examples


def detail(examples: list[Example], rng: Rng) -> list[Example]:
    """The same window of an example and its twin, mostly one that shows some of the crystals."""
    rows, columns = DETAIL_SHAPE
    spare = (EVIDENCE_SHAPE[0] - rows, EVIDENCE_SHAPE[1] - columns)
    top, left = int(rng.integers(spare[0] + 1)), int(rng.integers(spare[1] + 1))
    found = np.argwhere(examples[0].cells > 0.45)
    if len(found) and rng.random() < 0.85:
        row, column = found[int(rng.integers(len(found)))]
        top = int(np.clip(row - rng.integers(1, rows - 1), 0, spare[0]))
        left = int(np.clip(column - rng.integers(1, columns - 1), 0, spare[1]))
    step = EVIDENCE_STRIDE
    cut = []
    for example in examples:
        cells = example.cells[top : top + rows, left : left + columns]
        pixels = example.pixels[top * step : (top + rows) * step, left * step : (left + columns) * step]
        seen = int((cells > 0.45).sum())
        whole = int((example.cells > 0.45).sum())
        label = 1 if seen >= max(1, min(0.3 * whole, 6)) else -1 if cells.max() > 0.02 else 0
        cut.append(Example(pixels, cells, label if example.label != 0 else 0, example.head))
    return cut


def _framed_cells(path: Path, size: tuple[int, int], framing: Framing) -> tuple[FloatImage, int]:
    coarse = Image.open(path)
    whole = coarse.resize((coarse.width * CELL, coarse.height * CELL), Image.Resampling.NEAREST).crop((0, 0, *size))
    before = float(np.asarray(whole, np.float32).mean()) * whole.width * whole.height
    framed = framing.apply(whole, 0)
    after = float(np.asarray(framed, np.float32).mean()) * framed.width * framed.height
    fitted = np.asarray(fit_grey(framed, fill=0), np.float32) / 255.0
    rows, columns = EVIDENCE_SHAPE
    cells = fitted.reshape(rows, EVIDENCE_STRIDE, columns, EVIDENCE_STRIDE).mean(axis=(1, 3))
    kept = after / max(before, 1e-6)
    label = 1 if kept > 0.35 and cells.max() > 0.3 else -1 if cells.max() > 0.02 else 0
    return cells.astype(np.float32), label


def restyle(image: Image.Image, rng: Rng, *, uv: bool) -> NDArray[np.uint8]:
    """Another camera's picture of the same thing."""
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.3))))
    elif rng.random() < 0.3:
        image = image.filter(ImageFilter.UnsharpMask(float(rng.uniform(0.8, 2.5)), int(rng.integers(30, 160)), 0))
    pixels = np.asarray(image, np.float32) / 255.0
    if rng.random() < 0.7:
        pixels = pixels ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.7:
        pixels = pixels * np.float32(np.exp(rng.normal(-0.05, 0.2))) + np.float32(rng.normal(0, 0.03))
    if rng.random() < 0.3:
        pixels = pixels * _shading(rng, pixels.shape)
    if rng.random() < 0.06 and not uv:
        pixels = 1.0 - pixels
    if rng.random() < 0.5:
        grain = rng.standard_normal(pixels.shape, dtype=np.float32)
        if rng.random() < 0.2:  # a camera's own processing correlates the noise of neighbouring pixels
            grain = 2.5 * uniform_filter(grain, 3)
        pixels = pixels + grain * np.float32(np.exp(rng.uniform(np.log(0.002), np.log(0.025))))
    restyled = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if rng.random() < 0.35:
        buffer = io.BytesIO()
        Image.fromarray(restyled).save(buffer, "JPEG", quality=int(rng.integers(30, 92)))
        restyled = np.asarray(Image.open(buffer))
    return restyled


def _shading(rng: Rng, shape: tuple[int, ...]) -> FloatImage:
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    slope = rng.normal(0, 0.15, 2).astype(np.float32)
    fall = np.float32(rng.uniform(0, 0.5))
    return np.maximum(1.0 + slope[0] * rows + slope[1] * columns - fall * (rows**2 + columns**2) * 0.5, 0.1)
