"""Random numbers of a simulated microscope: each from the seed and from what it is for, whatever came before it."""

import zlib

import numpy as np

Rng = np.random.Generator


def draw(seed: int, purpose: str, *numbers: int) -> Rng:
    """A generator of its own for a purpose, such as the 12th move of the stage."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def seed_of(seed: int, purpose: str, *numbers: int) -> int:
    """A seed for something that takes one."""
    return int(draw(seed, purpose, *numbers).integers(1 << 31))


__all__ = ["Rng", "draw", "seed_of"]
