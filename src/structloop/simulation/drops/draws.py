"""Small draws that the samplers share."""

import math

import numpy as np

Rng = np.random.Generator


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of `low` and `high`."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def chance(rng: Rng, probability: float) -> bool:
    """True with that probability."""
    return bool(rng.random() < probability)


def sub_seed(rng: Rng) -> int:
    """A seed for an independent stream."""
    return int(rng.integers(1 << 31))
