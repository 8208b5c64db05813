"""Random numbers that depend on where they belong and on nothing else.

A scene is asked for at any place in any order; whatever is random in it is therefore a hash of the seed and of indices
(of a square, a hole, a lattice point), never the next number of a stream.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def key(seed: int, *parts: int | str) -> int:
    """A seed for something named by `parts`, 0 to 2^63 - 1."""
    value = seed & _MASK
    for part in parts:
        number = part if isinstance(part, int) else int.from_bytes(part.encode()[:8], "little")
        value = _scramble((value * 0x9E3779B97F4A7C15 + number + 0x632BE59BD9B4E019) & _MASK)
    return value >> 1


def uniform(seed: int, *indices: Any) -> FloatArray:
    """Numbers in [0, 1), one for each tuple of (broadcast) integer indices, shape of their broadcast."""
    return np.asarray((_hash(seed, *indices) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24))


def normal(seed: int, *indices: Any) -> FloatArray:
    """Standard normal numbers, one for each tuple of (broadcast) integer indices."""
    bits = _hash(seed, *indices)
    first = ((bits >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    second = ((bits & np.uint64(0xFFFFFF)).astype(np.float32)) * np.float32(2.0**-24)
    return np.asarray(np.sqrt(np.float32(-2.0) * np.log(first)) * np.cos(np.float32(2.0 * np.pi) * second))


def _hash(seed: int, *indices: Any) -> NDArray[np.uint64]:
    value: Any = np.uint64(_scramble(seed & _MASK))
    with np.errstate(over="ignore"):
        for index in indices:
            part = np.asarray(index, dtype=np.int64).view(np.uint64)
            value = value * _GOLDEN + part
            value = (value ^ (value >> np.uint64(30))) * _MIX_1
            value = (value ^ (value >> np.uint64(27))) * _MIX_2
            value = value ^ (value >> np.uint64(31))
    return np.asarray(value, dtype=np.uint64)


def _scramble(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


__all__ = ["FloatArray", "key", "normal", "uniform"]
