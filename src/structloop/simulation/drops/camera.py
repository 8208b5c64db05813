"""From light to a file's pixels: colour, tone curve, noise, sharpening, compression."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.simulation.drops.styles import CameraStyle
from structloop.simulation.drops.view import FloatImage, blur, grain

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
    toned = [tone(channel, camera.gamma, camera.contrast) for channel in channels]
    grey = np.float32(0.3) * toned[0] + np.float32(0.59) * toned[1] + np.float32(0.11) * toned[2]
    strength = np.float32(camera.noise) + np.float32(camera.shot_noise) * np.sqrt(grey)
    strength *= np.float32(reduced**0.7)
    change = strength * grain(rng, grey.shape)
    if camera.saturation > 0:
        change *= np.float32(0.7)
    if camera.sharpen > 0:
        change += np.float32(camera.sharpen * reduced) * (grey - blur(grey, max(camera.sharpen_px * reduced, 0.5)))
    if camera.saturation == 0:
        picture = np.repeat(quantise(grey + change)[:, :, None], 3, axis=2)
    else:
        picture = np.empty((*grey.shape, 3), np.uint8)
        for index, channel in enumerate(toned):
            colour = grey + np.float32(camera.saturation) * (channel - grey) + change
            picture[:, :, index] = quantise(colour + np.float32(0.6) * strength * grain(rng, grey.shape))
    return compress(picture, camera.jpeg_quality)


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
