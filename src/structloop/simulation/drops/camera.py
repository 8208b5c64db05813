"""From light to a file's pixels: colour, tone curve, noise, sharpening, compression."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.simulation.drops.styles import CameraStyle
from structloop.simulation.drops.view import FloatImage, blur

_TABLE = 4096


def tone(image: FloatImage, gamma: float, contrast: float) -> FloatImage:
    """Gamma and an S curve, by table; values are clipped to 0..1."""
    ramp = np.linspace(0, 1, _TABLE) ** gamma
    ramp = (1 - contrast) * ramp + contrast * ramp * ramp * (3 - 2 * ramp)
    index = (np.clip(image, 0, 1) * np.float32(_TABLE - 1)).astype(np.int16)
    return np.asarray(ramp.astype(np.float32)[index], dtype=np.float32)


def expose(channels: list[FloatImage], camera: CameraStyle, scale: float, seed: int) -> NDArray[np.uint8]:
    """Record an RGB image.

    Args:
        channels: Linear red, green and blue, 1 for white, each (h, w).
        camera: The camera.
        scale: Rendered over native width; below 1, noise and sharpening shrink as they do when an image is reduced.
        seed: Of the noise.

    Returns:
        Shape (h, w, 3).
    """
    rng = np.random.default_rng([seed, 404])
    reduced = min(scale, 1.0)
    if camera.chromatic_px * scale > 0.1:
        channels = _fringe(channels, camera.chromatic_px * scale)
    stack = np.stack([tone(channel, camera.gamma, camera.contrast) for channel in channels], axis=-1)
    grey = stack @ np.array([0.3, 0.59, 0.11], np.float32)
    stack = grey[..., None] + np.float32(camera.saturation) * (stack - grey[..., None])
    common = rng.standard_normal(grey.shape, dtype=np.float32)
    strength = np.float32(camera.noise) + np.float32(camera.shot_noise) * np.sqrt(np.clip(grey, 0, 1))
    strength = strength * np.float32(reduced**0.7)
    if camera.saturation > 0:
        coloured = rng.standard_normal(stack.shape, dtype=np.float32)
        stack = stack + strength[..., None] * (np.float32(0.7) * common[..., None] + np.float32(0.6) * coloured)
    else:
        stack = stack + (strength * common)[..., None]
    if camera.sharpen > 0:
        detail = grey - blur(grey, max(camera.sharpen_px * reduced, 0.5))
        stack = stack + (np.float32(camera.sharpen * reduced) * detail)[..., None]
    return compress(quantise(stack), camera.jpeg_quality)


def quantise(image: FloatImage) -> NDArray[np.uint8]:
    """0..1 to 0..255."""
    return np.asarray(np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5), dtype=np.uint8)


def compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What is left of an image after JPEG compression."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.uint8)


def _fringe(channels: list[FloatImage], shift: float) -> list[FloatImage]:
    """Lateral colour: red and blue moved against each other along x."""
    whole, part = int(shift), np.float32(shift - int(shift))
    red, green, blue = channels
    moved = (1 - part) * np.roll(red, whole, axis=1) + part * np.roll(red, whole + 1, axis=1)
    return [np.asarray(moved, dtype=np.float32), green, blue]
