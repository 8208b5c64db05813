"""Patches for training, changed as nature or the microscope could have changed them, and in no other way.

A specimen may lie at any angle and either way up; magnifications and what users call the diameter differ a little;
doses, defocus, envelopes and filters differ; ice has gradients. Contrast is never turned round: particles are dark
here, and bright ones were turned in `preparing`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from structloop.models.pickers.scenes import Scene, Targets, stamp


@dataclass(frozen=True)
class Augmentation:
    """How much is changed; shares are from 0 to 1.

    Attributes:
        turned: Share of patches at any angle and scale; the others keep to quarter turns and mirrors, which are exact.
        scale: Largest change of magnification: 0.1 is from 1/1.1 to 1.1.
        noisy: Share of patches with white noise added.
        noise: Its deviation (least, most) relative to the picture's.
        filtered: Share of patches with a low-pass filter.
        cutoff: Its cutoff (least, most), cycles per working pixel.
        coloured: Logarithmic spread of a smooth random change of the spectrum (defocus, envelope, background).
        gradient: Largest change of contrast, and of grey level, across the patch.
        contrast: Logarithmic spread of the contrast.
    """

    turned: float = 0.5
    scale: float = 0.08
    noisy: float = 0.3
    noise: tuple[float, float] = (0.1, 0.6)
    filtered: float = 0.15
    cutoff: tuple[float, float] = (0.2, 0.5)
    coloured: float = 0.15
    gradient: float = 0.2
    contrast: float = 0.12

    @classmethod
    def strong(cls) -> "Augmentation":
        """For pre-training: pictures of any microscope, dose and filter."""
        return cls(0.5, 0.12, 0.6, (0.2, 2.5), 0.5, (0.1, 0.5), 0.35, 0.5, 0.2)


@dataclass(frozen=True)
class Batch:
    """Patches and their targets, `(n, channels, size, size)`."""

    pixels: Tensor
    heat: Tensor
    weight: Tensor
    offsets: Tensor
    near: Tensor


def draw_batch(
    scenes: "list[Scene]",
    shares: NDArray[np.float64],
    count: int,
    size: int,
    augmentation: Augmentation,
    draw: np.random.Generator,
) -> Batch:
    """`count` patches of `size` x `size` working pixels, with targets.

    Args:
        scenes: To cut from.
        shares: Probability of each scene, summing to 1.
        count, size: Of the patches.
        augmentation: How they are changed.
        draw: Decides everything.
    """
    cut = [_cut(scenes[int(draw.choice(len(scenes), p=shares))], size, augmentation, draw) for _ in range(count)]
    targets = [each[1] for each in cut]
    pixels = torch.from_numpy(np.stack([each[0] for each in cut]))[:, None]
    return Batch(
        pixels=changed(pixels, augmentation, draw),
        heat=torch.from_numpy(np.stack([each.heat for each in targets]))[:, None],
        weight=torch.from_numpy(np.stack([each.weight for each in targets]))[:, None],
        offsets=torch.from_numpy(np.stack([each.offsets for each in targets])),
        near=torch.from_numpy(np.stack([each.near for each in targets]))[:, None],
    )


def _cut(
    scene: Scene, size: int, augmentation: Augmentation, draw: np.random.Generator
) -> tuple[NDArray[np.float32], Targets]:
    height, width = scene.pixels.shape
    half = (size - 1) / 2
    free = draw.random() < augmentation.turned
    angle = draw.uniform(0, 2 * np.pi) if free else np.pi / 2 * draw.integers(4)
    scale = np.exp(draw.uniform(-1, 1) * np.log1p(augmentation.scale)) if free else 1.0
    mirror = -1.0 if draw.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    matrix = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    centre = np.array([_centre(side, size, draw) for side in (width, height)])
    if not free:
        # Whole pixels stay whole pixels.
        centre = np.floor(centre) + (half % 1)
        matrix = np.rint(matrix)
    steps = np.arange(size) - half
    x = centre[0] + matrix[0, 0] * steps[None, :] + matrix[0, 1] * steps[:, None]
    y = centre[1] + matrix[1, 0] * steps[None, :] + matrix[1, 1] * steps[:, None]
    if free:
        grid = torch.from_numpy(
            np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1).astype(np.float32)
        )
        source = torch.from_numpy(scene.pixels)[None, None]
        pixels = functional.grid_sample(
            source, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False
        )[0, 0].numpy()
    else:
        pixels = scene.pixels[_mirrored(y, height), _mirrored(x, width)]
    row, column = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    here = (row >= 0) & (column >= 0) & (row < height) & (column < width)
    weight = scene.weight[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] * here
    places = ((scene.xy - centre) @ np.linalg.inv(matrix).T + half).astype(np.float32)
    return pixels, stamp(size, places, scene.value, scene.certainty, weight.astype(np.float32))


def _centre(side: int, size: int, draw: np.random.Generator) -> float:
    # A patch may stand out a quarter: what is near an edge is then seen as often as the rest.
    low, high = size / 4, side - size / 4
    return float(draw.uniform(low, high)) if high > low else side / 2


def _mirrored(place: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    steps = np.rint(place).astype(np.int64) % (2 * side)
    return np.where(steps < side, steps, 2 * side - 1 - steps)


def changed(pixels: Tensor, augmentation: Augmentation, draw: np.random.Generator) -> Tensor:
    """Patches `(n, 1, size, size)` with other spectra, noise, gradients and contrast, again of about deviation 1."""
    count, _, size, _ = pixels.shape
    frequency = torch.from_numpy(
        np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]).astype(np.float32)
    )
    noise_first = draw.random(count) < 0.5
    deviation = np.where(
        draw.random(count) < augmentation.noisy, _between(augmentation.noise, draw.random(count)), 0.0
    ).astype(np.float32)
    seed = int(draw.integers(1 << 62))
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    noise = noise * torch.from_numpy(deviation)[:, None, None, None]
    first = torch.from_numpy(noise_first)[:, None, None, None]
    spectrum = torch.fft.rfft2(pixels + torch.where(first, noise, torch.zeros(())))
    gain = torch.stack([_gain(frequency, augmentation, draw) for _ in range(count)])[:, None]
    filtered = torch.fft.irfft2(spectrum * gain, s=(size, size))
    filtered = _normalised(filtered) + torch.where(first, torch.zeros(()), noise)
    line = torch.linspace(-0.5, 0.5, size)
    slopes = torch.from_numpy(draw.uniform(-1, 1, (count, 4)).astype(np.float32)) * augmentation.gradient
    tilt = slopes[:, 0, None, None] * line[None, :, None] + slopes[:, 1, None, None] * line[None, None, :]
    level = slopes[:, 2, None, None] * line[None, :, None] + slopes[:, 3, None, None] * line[None, None, :]
    contrast = torch.from_numpy(np.exp(draw.normal(0, augmentation.contrast, count)).astype(np.float32))
    out = _normalised(filtered) * (1 + tilt[:, None]) * contrast[:, None, None, None] + level[:, None]
    return out.clamp(-6.0, 6.0)


def _gain(frequency: Tensor, augmentation: Augmentation, draw: np.random.Generator) -> Tensor:
    waves = draw.normal(0, 1, 3) * augmentation.coloured
    shift = draw.uniform(0, 2 * np.pi, 3)
    gain = torch.exp(
        sum(
            (float(waves[k]) * torch.cos(2 * np.pi * (k + 0.5) * frequency + float(shift[k])) for k in range(3)),
            start=torch.zeros(()),
        )
    )
    if draw.random() < augmentation.filtered:
        cutoff = float(_between(augmentation.cutoff, draw.random(1))[0])
        gain = gain * torch.exp(-0.35 * (frequency / cutoff) ** float(draw.choice([2.0, 3.0, 4.0])))
    return gain


def _between(span: tuple[float, float], even: NDArray[np.float64]) -> NDArray[np.float64]:
    """Even numbers from 0 to 1 as numbers of even logarithm from low to high."""
    return np.asarray(span[0] * (span[1] / span[0]) ** even, np.float64)


def _normalised(pixels: Tensor) -> Tensor:
    flat = pixels.flatten(1)
    middle = flat.median(dim=1, keepdim=True).values
    spread = 1.4826 * (flat - middle).abs().median(dim=1, keepdim=True).values
    return ((flat - middle) / spread.clamp_min(1e-4)).reshape(pixels.shape)


__all__ = ["Augmentation", "Batch", "changed", "draw_batch"]
