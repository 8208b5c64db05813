"""Which of many images look most like one to a model: the nearest by the cosine distance of its features."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cosine_distances(one: NDArray[np.float32], many: NDArray[np.float32]) -> Floats:
    """``1 - cos`` of the angle between one image's features `(width,)` and those of many `(n, width)`: 0 to 2.

    The first feature, which is the model's answer and no feature of the image, is left out where there are others. An
    image without any feature (all zero) is at distance 1 from all.
    """
    if many.ndim != 2 or one.shape != many.shape[1:]:
        raise ValueError(f"features of shape {one.shape} cannot be compared with those of shape {many.shape}")
    start = 1 if len(one) > 1 else 0
    left, right = one[start:].astype(np.float64), many[:, start:].astype(np.float64)
    lengths = np.linalg.norm(left) * np.linalg.norm(right, axis=1)
    cosine = np.divide(right @ left, lengths, out=np.zeros(len(many)), where=lengths > 0)
    return np.asarray(np.clip(1 - cosine, 0, 2))


def nearest(one: NDArray[np.float32], many: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
    """The places in `many` of the nearest, at most `count`, with their distances, the nearest first."""
    distances = cosine_distances(one, many)
    order = np.argsort(distances, kind="stable")[:count]
    return [(int(place), float(distances[place])) for place in order]


__all__ = ["cosine_distances", "nearest"]
